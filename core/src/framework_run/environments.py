"""Requirements become a cached virtual environment, made once with uv, or with venv and pip where uv is absent."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from framework_run.errors import InstallError, NetworkError

Report = Callable[[str], None]

_MARKER: Final = "complete.json"
_TAIL: Final = 12  # lines of a tool that are shown when it fails
_OUR_OWN: Final = frozenset(
    # What would send the tools elsewhere than into the environment: pip and uv read these as options.
    {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_SYSTEM_PYTHON"}
)
_UNREACHABLE: Final = (
    # As uv, pip and the resolvers of glibc and musl say it.
    "dns error",
    "could not connect",
    "couldn't connect",
    "error sending request",
    "failed to establish a new connection",
    "name or service not known",
    "temporary failure in name resolution",
    "network is unreachable",
    "no route to host",
    "connection refused",
    "connection timed out",
    "operation timed out",
    "read timed out",
)


def folder(requirements: list[str], python: str, cache: str) -> Path:
    """Where the environment of these requirements lies, whether it is made yet or not.

    Args:
        requirements: PEP 508 texts; their order does not matter. What they name without a version is what the index
            gave when the environment was made.
        python: The path of the interpreter.
        cache: The folder of all environments.
    """
    base = os.path.realpath(python)
    about = {"requirements": sorted(set(requirements)), "python": base, "version": _version(base), "format": 1}
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    return Path(cache, name)


def ready(requirements: list[str], python: str, cache: str) -> str | None:
    """The interpreter of an environment that is made already, or None; does nothing else."""
    place = folder(requirements, python, cache)
    inner = _python_in(place)
    return str(inner) if (place / _MARKER).exists() and inner.exists() else None


def ensure(requirements: list[str], python: str, cache: str, report: Report) -> str:
    """The interpreter of an environment with these requirements, which is made where it is not there.

    It is made in its final place (a virtual environment's scripts name it) under a lock, and counts once its marker is
    there: what a killed process has left half made is made anew. Processes that ask for the same one at once wait for
    the one that makes it.

    Args:
        requirements: As for `folder`.
        python: The path of the interpreter that the environment is for.
        cache: The folder of all environments; created where it is missing.
        report: Takes lines about the progress.

    Returns:
        The path of the environment's interpreter.

    Raises:
        InstallError: A requirement is malformed or cannot be installed; the message ends with the tool's last lines.
        NetworkError: The index cannot be reached.
    """
    for requirement in requirements:
        if not requirement.strip() or requirement.lstrip().startswith("-"):
            raise InstallError(
                f"{requirement!r} is no requirement",
                advice="Write a PEP 508 requirement, such as 'pandas>=2'; options of pip go into its settings.",
            )
    found = ready(requirements, python, cache)
    if found is not None:
        return found
    place = folder(requirements, python, cache)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place.with_suffix(".lock"), report):
        if ready(requirements, python, cache) is None:  # another process may have made it meanwhile
            _make(sorted(set(requirements)), os.path.realpath(python), place, report)
    return str(_python_in(place))


def installer(python: str) -> list[str] | None:
    """The words that begin a call of uv; None where uv is absent and pip has to do.

    Args:
        python: An interpreter that may have uv as a module.
    """
    from shutil import which

    found = which("uv")
    if found:
        return [found]
    if os.path.realpath(python) == os.path.realpath(sys.executable):
        from importlib.util import find_spec

        if find_spec("uv") is not None:
            return [sys.executable, "-m", "uv"]
    return None


def _make(requirements: list[str], python: str, place: Path, report: Report) -> None:
    import shutil

    shutil.rmtree(place, ignore_errors=True)
    uv = installer(python)
    report(f"making an environment with {', '.join(requirements)} ({'uv' if uv else 'pip'}; kept for the next run)")
    inner = str(_python_in(place))
    if uv:
        _call([*uv, "venv", "--quiet", "--no-project", "--python", python, str(place)], report)
        _call([*uv, "pip", "install", "--python", inner, "--", *requirements], report)
    else:
        options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        if _imports(python, "ensurepip"):
            _call([python, "-I", "-m", "venv", str(place)], report)
            pip = [inner, "-I", "-m", "pip"]
        else:  # as Debian's, whose own pip (22.3 and newer) can install for another interpreter
            _call([python, "-I", "-m", "venv", "--without-pip", str(place)], report)
            pip = [python, "-I", "-m", "pip", "--python", inner]
        _call([*pip, "install", *options, "--", *requirements], report)
    part = place / f"{_MARKER}.part"
    part.write_text(json.dumps({"requirements": requirements, "python": python}), encoding="utf-8")
    part.replace(place / _MARKER)


def _imports(python: str, module: str) -> bool:
    import subprocess

    return subprocess.run([python, "-I", "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def _call(words: list[str], report: Report) -> None:
    """Run a tool, reporting its lines.

    Raises:
        InstallError: It failed; NetworkError where its words say that nothing answers.
    """
    import subprocess
    from collections import deque

    tail: deque[str] = deque(maxlen=_TAIL)
    environment = {name: value for name, value in os.environ.items() if name not in _OUR_OWN}
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
    except OSError as error:
        raise InstallError(f"{words[0]} cannot be started: {error.strerror}", advice="Install uv.") from error
    with process:
        for line in process.stdout or ():
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                tail.append(text)
                report(text)
    if process.returncode == 0:
        return
    said = "\n".join(tail)
    gist = f": {tail[-1].strip()}" if tail else f": exit code {process.returncode}"
    if any(sign in said.lower() for sign in _UNREACHABLE):
        raise NetworkError(
            f"the package index cannot be reached{gist}\n{said}",
            advice="Check the network, or the index in uv's or pip's settings.",
        )
    if "ensurepip" in said or "No module named pip" in said:
        raise InstallError(
            f"this Python has no pip of its own{gist}\n{said}",
            advice="Install uv, or the system's package python3-venv.",
        )
    raise InstallError(
        f"the requirements cannot be installed{gist}\n{said}",
        advice="Check their names and versions, and that they fit this Python.",
    )


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    import fcntl

    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another run is making this environment: waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def libraries(python: str) -> list[str]:
    """The folders of an environment that packages are installed in, by the path of its interpreter."""
    return [str(path) for path in Path(python).parent.parent.glob("[Ll]ib*/**/site-packages")]


def _python_in(place: Path) -> Path:
    return place / "Scripts" / "python.exe" if os.name == "nt" else place / "bin" / "python"


def _version(python: str) -> str:
    """The interpreter's full version, so that an upgrade in place makes a new environment."""
    if python == os.path.realpath(sys.executable):
        return sys.version
    import subprocess

    words = [python, "-I", "-c", "import sys; print(sys.version)"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallError(f"{python} is no Python that runs: {error}", advice="Name an installed Python.") from error
    return done.stdout.strip()
