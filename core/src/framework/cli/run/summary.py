"""What is said of a run when it has ended: its state, what it gave, or what killed it, and what to type next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from framework.cli.documents import seconds_taken
from framework.cli.output import state_cell, styled
from framework.cli.text import duration, one_line, pairs

if TYPE_CHECKING:
    from framework.databases import Document

_FRAMES: Final = 30  # lines of the user's traceback
_WIDTH: Final = 100


def summary(run: Document, *, said: Callable[[str], bool] = lambda _text: False) -> Iterator[str]:
    """The lines for standard error.

    Args:
        run: The complete document of the ended run.
        said: Whether a text is on the terminal already: the traceback is not said twice.
    """
    from framework.documents.numbers import decode

    status = run["status"]
    yield from _heading(run)
    frames = "" if said(status["traceback"]) else status["traceback"]
    if frames:
        yield from _frames(frames)
    yield from (f"  {one_line(reason)}" for reason in _reasons(run, frames))
    if status["results"]:
        yield f"  results    {pairs(decode(status['results']), _WIDTH)}"
    if status["metrics"]:
        yield f"  metrics    {pairs(decode(status['metrics']), _WIDTH)}"
    if status["artifacts"]:
        yield f"  artifacts  {', '.join(one_line(key) for key in status['artifacts'])}"
    for told in status["notifications"]:
        if told["state"] == "failed":
            yield f"  not told   {one_line(told['to'])}: {one_line(told.get('message', ''))}"
    for gap in status["gaps"]:
        yield f"  missing    {one_line(gap)}"


def _reasons(run: Document, frames: str) -> Iterator[str]:
    """Evidence and advice, and why it was not repeated."""
    from framework.engine.attempts import why_no_more

    status = run["status"]
    evidence = "" if frames.rstrip().endswith(status["message"]) else status["message"]
    yield from filter(None, (evidence, status["advice"], why_no_more(run)))


def _heading(run: Document) -> Iterator[str]:
    taken, source = seconds_taken(run), run["status"]["cached_from"]
    spent = f" in {duration(taken)}" if taken is not None else ""
    yield f"{one_line(run['metadata']['name'])}  {styled(state_cell(run))}{spent}"
    if source:
        yield f"  reused     {source}: nothing was run"


def _frames(text: str) -> Iterator[str]:
    lines = text.rstrip("\n").splitlines()
    if len(lines) > _FRAMES:
        half = _FRAMES // 2
        lines = [*lines[:half], f"  … {len(lines) - 2 * half} more lines …", *lines[-half:]]
    yield from (f"  {line}" for line in lines)


def next_commands(run: Document, uid: str) -> list[str]:
    """What to type next."""
    commands = [f"framework runs show {uid}"]
    if run["status"]["cause"] == "UserError" and run["spec"]["handler"] and not run["spec"]["map"]:
        commands.append(f"framework replay {uid} --pdb")
    if run["status"]["artifacts"]:
        commands.append(f"framework artifacts list --run {uid}")
    return commands
