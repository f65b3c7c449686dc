"""The start of the handler: a fork, and in the child the user's function, or the command in its place."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple, NoReturn

from framework_run import channel, ends, processes, signals

# pathlib is slow to import, and this runs before every handler: hence os.path throughout, with its noqa.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120


class Started(NamedTuple):
    """A handler that is on its way.

    Args:
        pid: The leader of its session.
        pipes: The names of its pipes by their read ends, which do not block: stdout, stderr, channel, and start.
        oom_kills: What `framework_run.peaks.oom_kills` said before it began.
    """

    pid: int
    pipes: dict[int, str]
    oom_kills: int


def start(submission: dict[str, Any], scratch: str, oom_kills: int) -> Started:
    """Fork the handler.

    Args:
        submission: The whole submission.
        scratch: A folder of this run's own.
        oom_kills: Kept with it.

    Returns:
        The handler. On its pipe start comes the end, as JSON, where the user's code could not be begun; the pipe
        is closed when it begins.
    """
    pipes = {name: os.pipe() for name in ("start", "stdout", "stderr", "channel")}
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(submission, scratch, {name: writer for name, (_, writer) in pipes.items()}, parent)
    readers = {}
    for name, (reader, writer) in pipes.items():
        os.close(writer)
        readers[reader] = name
    os.read(pipes["start"][0], 1)  # from here on it has its session, and its signals are not ours
    for reader in readers:
        os.set_blocking(reader, False)
    return Started(pid, readers, oom_kills)


def _become(submission: dict[str, Any], scratch: str, pipes: dict[str, int], parent: int) -> NoReturn:
    """In the forked child: become the handler or the command. Never returns into the supervisor's stack."""
    try:
        command = submission["code"].get("command")
        try:
            _settle(pipes, parent, python=command is None, items=submission.get("items_fd"))
            submission = _with_inputs(submission, scratch)
            python = _prepare(submission, pipes["channel"], scratch)
            if command is not None:
                _execute(submission, python, pipes["channel"], scratch)
            if python:
                from framework_run.afresh import start_afresh

                start_afresh(submission, python, pipes["channel"], scratch)
        except Exception as error:  # noqa: BLE001  whatever it is, it is why nothing was started
            _refuse(pipes["start"], error)
        os.close(pipes["start"])
        from framework_run import handler

        if submission.get("items_fd") is not None:
            from framework_run import served

            served.serve(submission, pipes["channel"], scratch)
        handler.run(submission, pipes["channel"], scratch)
    finally:
        os._exit(70)  # EX_SOFTWARE of sysexits(3): the handler reports and ends by itself


def _settle(pipes: dict[str, int], parent: int, *, python: bool, items: int | None) -> None:
    """A session, signals, standard streams, and no other descriptor than the pipes that are needed."""
    os.setsid()
    processes.die_with(parent)
    signals.back_to_defaults(python=python)
    os.write(pipes["start"], b" ")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(pipes["stdout"], 1)
    os.dup2(pipes["stderr"], 2)
    _close_all_but({0, 1, 2, pipes["channel"], pipes["start"], *(() if items is None else (items,))})


def _with_inputs(submission: dict[str, Any], scratch: str) -> dict[str, Any]:
    """The submission with a path for each input: those that only have a link are fetched."""
    inputs = submission.get("inputs") or {}
    if all("path" in place for place in inputs.values()):
        return submission
    from framework_run.fetching import fetch

    return {**submission, "inputs": fetch(inputs, scratch)}


def _prepare(submission: dict[str, Any], channel_fd: int, scratch: str) -> str:
    """The environment, the folder and the requirements; the path of the interpreter that has those, if any."""
    os.environ.update(submission.get("env") or {})
    os.environ.update(channel.environment(channel_fd, submission, scratch))
    workdir = submission.get("workdir")
    if workdir:
        try:
            os.chdir(workdir)
        except OSError as error:
            raise _NotStartedError(f"the working folder {workdir!r} cannot be used: {error.strerror}") from error
    if not submission.get("requirements"):
        return ""
    from framework_run import environments, surroundings

    said = channel.Channel(channel_fd, submission["token"])
    cache = submission.get("environments") or os.path.expanduser("~/.cache/framework/envs")  # noqa: PTH111
    python = environments.ensure(
        submission["requirements"],
        sys.executable,
        cache,
        lambda line: said.send("log", {"stream": "system", "text": f"{line}\n"}),
    )
    said.send("environment", surroundings.facts(environments.libraries(python), submission.get("packages", "")))
    return python


def _execute(submission: dict[str, Any], python: str, channel_fd: int, scratch: str) -> NoReturn:
    """Replace this process by the script or command; its Python finds the facade behind what it has on PYTHONPATH."""
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
        raise _NotStartedError(f"{words[0]!r} cannot be started: {error.strerror}") from error


class _NotStartedError(Exception):
    """What the submission asks for cannot be started."""


def _refuse(start_fd: int, error: Exception) -> NoReturn:
    import json

    from framework_run.errors import RunSideError

    if isinstance(error, RunSideError):
        from framework_run.outcome import ending

        end = ending(error)
    elif isinstance(error, (_NotStartedError, ValueError)):  # ValueError: a zero byte in a word or a variable
        end = ends.bad_input(str(error))
    else:
        end = ends.backend(f"the handler could not be started: {type(error).__name__}: {error}")
    text = json.dumps(end).encode()
    while text:
        text = text[os.write(start_fd, text) :]
    os._exit(1)


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


def _close_all_but(kept: set[int]) -> None:
    """Close what the supervisor holds, its lock and its carrier among them, and what it has inherited itself."""
    try:
        names = os.listdir("/dev/fd")  # noqa: PTH208
    except OSError:
        names = [str(number) for number in range(256)]
    for fd in sorted({int(name) for name in names} - kept):
        os.closerange(fd, fd + 1)  # one may be closed already: that by which the folder was listed
