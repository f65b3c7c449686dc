"""The start of the handler: a fork, and in the child the user's function, or the command in its place."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from framework_run import channel, ends, processes, signals

if TYPE_CHECKING:
    from framework_run.cgroups import Group

# pathlib is slow to import, and this runs before every handler: hence os.path throughout, with its noqa.


class Started(NamedTuple):
    """A handler that is on its way.

    Args:
        pid: The leader of its session.
        pipes: The names of its pipes by their read ends, which do not block: stdout, stderr, channel, and start.
        oom_kills: What `framework_run.peaks.oom_kills` said before it began.
        group: The control group that it joins, where it has one of its own.
    """

    pid: int
    pipes: dict[int, str]
    oom_kills: int
    group: Group | None = None


def start(submission: dict[str, Any], scratch: str, oom_kills: int, group: Group | None = None) -> Started:
    """Fork the handler.

    Args:
        submission: The whole submission.
        scratch: A folder of this run's own.
        oom_kills: Kept with it.
        group: The control group with its limits, which it joins before the user's code begins.

    Returns:
        The handler. On its pipe start comes the end, as JSON, where the user's code could not be begun; the pipe
        is closed when it begins.
    """
    pipes = {name: os.pipe() for name in ("start", "stdout", "stderr", "channel")}
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(submission, scratch, {name: writer for name, (_, writer) in pipes.items()}, parent, group)
    readers = {}
    for name, (reader, writer) in pipes.items():
        os.close(writer)
        readers[reader] = name
    os.read(pipes["start"][0], 1)  # from here on it has its session, and its signals are not ours
    for reader in readers:
        os.set_blocking(reader, False)
    return Started(pid, readers, oom_kills, group)


def _become(
    submission: dict[str, Any], scratch: str, pipes: dict[str, int], parent: int, group: Group | None
) -> NoReturn:
    """In the forked child: become the handler or the command. Never returns into the supervisor's stack."""
    try:
        command = submission["code"].get("command")
        try:
            _settle(pipes, parent, python=command is None, items=submission.get("items_fd"))
            submission = _with_inputs(submission, scratch)
            python = _prepare(submission, pipes["channel"], scratch)
            _limit(submission, pipes["channel"], group)
            if command is not None:
                from framework_run.replacing import execute

                execute(submission, python, pipes["channel"], scratch)
            if python:
                from framework_run.replacing import start_afresh

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
            from framework_run.errors import LoadingError

            raise LoadingError(f"the working folder {workdir!r} cannot be used: {error.strerror}") from error
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


def _limit(submission: dict[str, Any], channel_fd: int, group: Group | None) -> None:
    """Put this process under its limits; what was installed for it was not."""
    if not (submission.get("resources") or {}).get("limits"):
        return
    from framework_run import limits

    said = limits.settle(submission, group)
    if said:
        channel.Channel(channel_fd, submission["token"]).send("log", {"stream": "system", "text": said})


def _refuse(start_fd: int, error: Exception) -> NoReturn:
    import json

    from framework_run.errors import RunSideError

    if isinstance(error, RunSideError):
        from framework_run.outcome import ending

        end = ending(error)
    elif isinstance(error, ValueError):  # a zero byte in a word or a variable
        end = ends.bad_input(str(error))
    else:
        end = ends.backend(f"the handler could not be started: {type(error).__name__}: {error}")
    text = json.dumps(end).encode()
    while text:
        text = text[os.write(start_fd, text) :]
    os._exit(1)


def _close_all_but(kept: set[int]) -> None:
    """Close what the supervisor holds, its lock and its carrier among them, and what it has inherited itself."""
    try:
        names = os.listdir("/dev/fd")  # noqa: PTH208
    except OSError:
        names = [str(number) for number in range(256)]
    for fd in sorted({int(name) for name in names} - kept):
        os.closerange(fd, fd + 1)  # one may be closed already: that by which the folder was listed
