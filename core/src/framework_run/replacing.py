"""Another program in the handler's place: the script or command, or the interpreter of the run's own environment."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from framework_run.errors import LoadingError

# pathlib is slow to import, and this runs before every handler: hence os.path throughout, with its noqa.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
_RESUME = "import sys; sys.path[0] = sys.argv[1]; from framework_run.replacing import resume; resume(*sys.argv[2:])"


def execute(submission: dict[str, Any], python: str, channel_fd: int, scratch: str) -> NoReturn:
    """Replace this process by the script or command; its Python finds the facade behind what it has on PYTHONPATH.

    Args:
        submission: The whole submission.
        python: The interpreter of the run's environment; empty where it has none.
        channel_fd: The channel's write end.
        scratch: A folder of this run's own.

    Raises:
        LoadingError: There is no such command.
    """
    from framework_run.loading import facade, folder_of

    code = submission["code"]
    folder = folder_of(code, scratch)
    names = {"{python}": python or sys.executable, "{code}": folder}
    words = [_filled(word, names) for word in code["command"]]
    if code.get("archive") and not submission.get("workdir"):
        os.chdir(folder)
    os.set_inheritable(channel_fd, True)  # noqa: FBT003  the system's own signature
    os.environ.setdefault("PYTHONUNBUFFERED", "1")  # else 8 KiB are held back on a pipe, and lost when it is killed
    if python:
        _append("PATH", [os.environ.pop("PATH", os.defpath)], first=os.path.dirname(python))  # noqa: PTH120
    if python or not _installed():
        _append("PYTHONPATH", [_ROOT, facade()], first=os.environ.pop("PYTHONPATH", ""))
    try:
        os.execvp(words[0], words)  # noqa: S606  no shell, on purpose
    except OSError as error:
        raise LoadingError(f"{words[0]!r} cannot be started: {error.strerror}") from error


def start_afresh(submission: dict[str, Any], python: str, channel_fd: int, scratch: str) -> NoReturn:
    """Replace this process by the interpreter of the run's environment, which goes on in `resume`.

    Args:
        submission: The whole submission.
        python: The interpreter.
        channel_fd: The channel's write end.
        scratch: A folder of this run's own.
    """
    import json
    import tempfile

    with tempfile.TemporaryFile("w+", encoding="utf-8") as stream:
        json.dump({**submission, "requirements": []}, stream)
        stream.seek(0)
        for fd in (stream.fileno(), channel_fd):
            os.set_inheritable(fd, True)  # noqa: FBT003  the system's own signature
        words = [python, "-c", _RESUME, _ROOT, str(stream.fileno()), str(channel_fd), scratch]
        os.execv(python, words)  # noqa: S606  no shell, on purpose


def resume(document: str, channel_fd: str, scratch: str) -> NoReturn:
    """Become the handler in a fresh interpreter, that of an environment made for the run.

    Args:
        document: The descriptor of a file with the submission.
        channel_fd: The channel's write end.
        scratch: A folder of this run's own.
    """
    import json

    from framework_run import handler

    with open(int(document), encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
        submission = json.load(stream)
    os.set_inheritable(int(channel_fd), False)  # noqa: FBT003  the system's own signature
    handler.run(submission, int(channel_fd), scratch)


def _filled(word: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        word = word.replace(name, value)
    return word


def _append(name: str, entries: list[str], *, first: str) -> None:
    os.environ[name] = os.pathsep.join(entry for entry in (first, *entries) if entry)


def _installed() -> bool:
    """Whether a whole framework is installed for this interpreter, outside of the archive."""
    from importlib.machinery import PathFinder

    return PathFinder.find_spec("framework") is not None
