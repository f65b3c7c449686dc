"""``framework doctor``."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from framework.cli.options import json_option
from framework.cli.output import following, note, say, write_json
from framework.cli.text import duration, one_line, size
from framework.errors import FrameworkError, UsageError
from framework.runtimes import Finding

if TYPE_CHECKING:
    from framework.engine.session import Session

_ROOM: Final = 200 * 2**20  # bytes free below which runs are likely to fail


@click.command("doctor")
@click.argument("target", required=False)
@click.option("--kind", metavar="KIND", help="Ask the backend of this kind alone, and what a function needs of it.")
@click.option("--image", metavar="IMAGE", help="The container image, as for `run`.")
@click.option("--set", "settings", multiple=True, metavar="SPEC.PATH=VALUE", help="A field of the spec, as for `run`.")
@click.option("-o", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the kind, as for `run`.")
@json_option
def doctor(  # noqa: PLR0913, PLR0917  one argument a flag
    target: str | None,
    kind: str | None,
    image: str | None,
    settings: tuple[str, ...],
    options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check this installation, and say how to mend it.

    It looks at the home folder, the database, the storage, the plugins and every kind of runtime. With --kind it asks
    one kind's backend more closely; TARGET is a function as for `run`, whose image, volumes and so on are looked for.
    """
    flags = [*(("--image", image) if image else ()), *_each("--set", settings), *_each("-o", options)]
    words = [*(("--kind", kind) if kind else ()), *((target,) if target else ()), *flags]
    again = shlex.join(["framework", "doctor", *words])
    if flags and not (kind and target):
        raise UsageError("of which function?", advice=f"framework doctor FILE.py:FUNCTION --kind {kind or 'KIND'}")
    if kind is None:
        if target:
            raise UsageError("of which kind?", advice=f"framework doctor {target} --kind KIND")
        findings, well = list(examine()), "framework run FILE.py:FUNCTION"
    else:
        from framework.cli.run.overrides import overrides

        findings = list(_of_kind(kind, target, overrides(image=image, settings=settings, options=options)))
        well = shlex.join(["framework", "run", target or "FILE.py:FUNCTION", "--kind", kind, *flags])
    write_findings(findings, as_json=as_json, again=again, well=well)


def _each(flag: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


def _of_kind(kind: str, target: str | None, over: dict[str, Any]) -> Iterator[Finding]:
    """What the backend of a kind says of a function; of one that asks for nothing, where none is named."""
    from framework.cli.session import opened
    from framework.engine.images import looked_for
    from framework.engine.plan import RunRequest, in_its_image, resolved
    from framework.models import Function

    session = opened()
    function = Function(kind=kind)
    if target:
        function = resolved(session, RunRequest(target=target, kind=kind, overrides=over))
        try:
            function = in_its_image(session, function)
        except UsageError as error:
            yield Finding(subject="built image", ok=False, message=error.message, advice=error.advice)
        else:
            built = looked_for(session, function, target)
            yield from () if built is None else (built,)
    runtime = session.runtime(kind)
    if target:
        try:
            runtime.validate(function)
        except UsageError as error:
            yield Finding(subject="function", ok=False, message=error.message, advice=error.advice)
            return
    findings = runtime.preflight(function)
    yield from findings or [Finding(subject=f"kind {kind}", ok=True, message="nothing to ask")]


def write_findings(findings: Sequence[Finding], *, as_json: bool, again: str, well: str) -> None:
    """Write findings.

    Args:
        findings: What was found.
        as_json: Whether to write them as JSON.
        again: The next command where something is wrong.
        well: The next command where all is well.

    Raises:
        click.exceptions.Exit: Something is wrong.
    """
    import attrs

    if as_json:
        write_json([attrs.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(_line(finding))
            if not finding.ok and finding.advice:
                say(f"        {one_line(finding.advice)}")
        wrong = sum(1 for finding in findings if not finding.ok)
        note(f"{len(findings)} checked, {wrong} to mend." if wrong else f"{len(findings)} checked, all well.")
        following(again if wrong else well)
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> str:
    mark = click.style("ok", fg="green") if finding.ok else click.style("wrong", fg="red")
    return f"{mark}{' ' * (8 - (2 if finding.ok else 5))}{finding.subject}: {one_line(finding.message)}"


def examine() -> Iterator[Finding]:
    """Every check, each on its own: one that fails does not keep the others from being made."""
    from framework.cli.session import opened

    try:
        session = opened()
    except FrameworkError as error:
        yield Finding(subject="settings", ok=False, message=error.message, advice=error.advice)
        return
    for subject, check in (("home", _home), ("database", _database), ("storage", _storage)):
        yield _checked(subject, check, session)
    yield from _plugins(session)
    yield from _kinds(session)


def _checked(subject: str, check: Callable[[Session], str], session: Session) -> Finding:
    try:
        return Finding(subject=subject, ok=True, message=check(session))
    except FrameworkError as error:
        return Finding(subject=subject, ok=False, message=error.message, advice=error.advice)
    except OSError as error:
        advice = f"Make it writable, or set FRAMEWORK_HOME (now {session.home}) to another folder."
        return Finding(subject=subject, ok=False, message=str(error), advice=advice)


def _home(session: Session) -> str:
    os.makedirs(session.home, exist_ok=True)  # noqa: PTH103  a path or a text, as the session has it
    with tempfile.NamedTemporaryFile(dir=session.home):
        free = shutil.disk_usage(session.home).free
    if free < _ROOM:
        raise OSError(f"only {size(free)} free in {session.home}")
    return f"{session.home} is writable, {size(free)} free"


def _database(session: Session) -> str:
    from framework.databases import RunQuery

    began = time.perf_counter()
    count = session.database.count_runs(RunQuery(parent=None))
    return f"{session.database.url} answers in {duration(time.perf_counter() - began)}, {count:,} runs"


def _storage(session: Session) -> str:
    storage = session.storage
    kept = storage.put(os.urandom(32))  # random: nobody else has this content, so it may be deleted again
    storage.stat(kept.uri)
    storage.delete(kept.uri)
    return f"{storage.url} is writable"


def _plugins(session: Session) -> Iterator[Finding]:
    for plugin in session.plugins.report():
        ok = plugin.state in {"loaded", "blocked"}
        yield Finding(
            subject=f"plugin {plugin.name}",
            ok=ok,
            message=f"{plugin.version} {plugin.state}" + (f": {plugin.reason}" if plugin.reason else ""),
            advice="" if ok else f"pip install --upgrade {plugin.distribution}",
        )


def _kinds(session: Session) -> Iterator[Finding]:
    for name in session.plugins.runtimes():
        try:
            findings = session.runtime(name).preflight()
        except FrameworkError as error:
            findings = [Finding(subject=name, ok=False, message=error.message, advice=error.advice)]
        if not findings:
            yield Finding(subject=f"kind {name}", ok=True, message="nothing to ask")
        for finding in findings:
            yield Finding(
                subject=f"kind {name}, {finding.subject}", ok=finding.ok, message=finding.message, advice=finding.advice
            )
