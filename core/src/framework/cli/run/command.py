"""``framework run``: from words to a request, and from an ended run to an exit status."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from framework.cli.documents import complete_run
from framework.cli.options import key_values
from framework.cli.output import following, note, say, write_json, write_yaml
from framework.cli.reporting import INTERRUPTED
from framework.cli.run.flags import GIVEN
from framework.cli.run.interrupts import interrupts
from framework.cli.run.life import retry, timeouts
from framework.cli.run.live import Live
from framework.cli.run.overrides import overrides, parameters_of_file
from framework.cli.run.parsing import ENTRY, WORDS, RunCommand, SectionOption
from framework.cli.run.summary import next_commands, summary
from framework.cli.run.values import read
from framework.cli.uids import short
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.plan import Planned, RunRequest
    from framework.engine.session import Session

_what = partial(click.option, cls=SectionOption, section="What is run")
_needs = partial(click.option, cls=SectionOption, section="What it needs")
_life = partial(click.option, cls=SectionOption, section="How long and how often")
_how = partial(click.option, cls=SectionOption, section="How")


@click.command("run", cls=RunCommand)
@click.argument("target", required=False)
@click.argument("extra", nargs=-1, metavar="")
@_what("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; read by its annotation.")
@_what("--params-file", metavar="FILE", help="Parameters from a YAML or JSON file; -p and flags win over it.")
@_what("-i", "--input", "inputs", multiple=True, metavar="NAME=PATH", help="An input: a path or a URI.")
@_what("--returns", multiple=True, metavar="NAME", help="What a returned value is called; several for a tuple.")
@_what("--handler", default="", metavar="NAME", help="The function, where the target does not name it.")
@_what("--name", metavar="NAME", help="The run's name.  [default: the function's]")
@_what("--project", metavar="NAME", help="The project.  [default: the setting `project`]")
@_what("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label of the run.")
@_needs("--kind", metavar="KIND", help="The kind of runtime.  [default: local]")
@_needs("--image", metavar="IMAGE", help="The container image.")
@_needs("--request", "requests", multiple=True, metavar="RESOURCE=QUANTITY", help="As cpu=500m, memory=2Gi.")
@_needs("--limit", "limits", multiple=True, metavar="RESOURCE=QUANTITY", help="As memory=4Gi.")
@_needs("--env", multiple=True, metavar="NAME=VALUE", help="A variable of the environment.")
@_needs("--secret", "secrets", multiple=True, metavar="NAME=STORE:KEY", help="A secret, as TOKEN=env:TOKEN.")
@_needs("--requirement", "requirements", multiple=True, metavar="PEP508", help="A package that the run needs.")
@_needs("--workdir", metavar="FOLDER", help="Where it runs.")
@_needs("--artifact-path", metavar="URL", help="Where its artifacts go.")
@_needs("--set", "settings", multiple=True, metavar="SPEC.PATH=VALUE", help="Any field of the spec; the value is YAML.")
@_needs("-o", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the kind; the value is YAML.")
@_life("--timeout", metavar="SPAN", help="End it after 90 (seconds), 5m or 1h30m.")
@_life("--pending-timeout", metavar="SPAN", help="End it if its code has not begun after that.")
@_life("--grace", metavar="SPAN", help="From being asked to end to being ended.  [default: 10s]")
@_life("--retry", type=click.IntRange(min=0), metavar="N", help="Repeat it up to N times when it fails.")
@_life("--retry-on", multiple=True, metavar="CAUSE", help="After these causes only, as OutOfMemory; several.")
@_life("--retry-backoff", metavar="SPAN", help="Wait up to so long first; twice as long with each.  [default: 1s]")
@_how("--watch/--detach", default=True, help="Wait for the end and print the output, or print the uid and return.")
@_how("--notify", multiple=True, metavar="NOTIFIER:ADDRESS", help="Tell of its end: console, webhook:URL, …")
@_how("--notify-on", multiple=True, metavar="STATE", help="Only of these ends: completed, failed, aborted.")
@_how("--notify-when", default="", metavar="CONDITION", help='Only when it holds, as "results.accuracy < 0.9".')
@_how("--cache/--no-cache", default=None, help="Reuse an identical run that was completed.  [default: the function's]")
@_how("--dry-run", is_flag=True, help="Print what would be sent and created; run nothing.")
@_how("--json", "as_json", is_flag=True, help="Write the ended run to standard output, and nothing else.")
@_how("--map", "items", metavar="FILE", help="Run it once for each line of a JSONL file of parameters; - is stdin.")
@_how("--parallelism", type=click.IntRange(1), metavar="N", help="How many items of --map run at once, at most.")
@_how("--pdb", is_flag=True, help="Run in this process, under the debugger when it fails.")
@click.pass_context
def run(ctx: click.Context, /, **given: Any) -> None:
    """Run a function, a script or a command, and track it.

    TARGET is FILE.py:FUNCTION, a script FILE.py, a folder, or a function that is kept (db://project/name).
    `framework run FILE.py:FUNCTION --help` shows the function's parameters as flags. What is behind -- goes
    to a script as it is; without a TARGET it is the command to run.
    """
    if given["extra"]:
        word = given["extra"][0]
        raise UsageError(
            f"{word!r} is one word too many",
            advice=f"Arguments of a script go behind --: framework run {given['target']} -- {word}",
        )
    if given["pdb"] and not given["watch"]:
        raise UsageError("--pdb needs somebody who watches", advice="Leave out --detach.")
    if given["parallelism"] and given["items"] is None:
        raise UsageError("--parallelism is for the items of --map", advice="Leave it out, or name a file: --map FILE")
    from framework.engine.plan import plan
    from framework.engine.session import current

    session = current()
    if given["items"] is not None:
        from framework.cli.run.mapping import run_map

        ctx.exit(run_map(session, request(ctx, given), given))
    planned = plan(session, request(ctx, given))
    if given["dry_run"]:
        show_plan(session, planned, as_json=given["as_json"])
    elif given["watch"]:
        ctx.exit(watch_run(session, planned, as_json=given["as_json"])[1])
    else:
        detach(session, planned, as_json=given["as_json"])


def request(ctx: click.Context, given: dict[str, Any]) -> RunRequest:
    """What is asked for, from the words of the command line."""
    from framework.engine.plan import RunRequest

    words = ctx.meta[WORDS]
    if not given["target"] and not words:
        raise UsageError("what shall be run?", advice="Name it: framework run FILE.py:FUNCTION, or -- COMMAND.")
    texts = {**key_values(given["params"], "-p"), **ctx.meta.get(GIVEN, {})}
    values, raw = read(ctx.meta.get(ENTRY), texts)
    typed = parameters_of_file(given["params_file"]) if given["params_file"] else {}
    debugged = _live(given) if given["pdb"] else None
    return RunRequest(
        target="" if debugged else given["target"] or "",
        function=debugged,
        command=words or [],
        handler=given["handler"],
        params={**typed, **values},
        raw=sorted(raw),
        inputs=key_values(given["inputs"], "-i"),
        returns=[name.strip() for word in given["returns"] for name in word.split(",")],
        name=given["name"] or "",
        project=given["project"] or "",
        labels=key_values(given["labels"], "--label"),
        kind=given["kind"] or "",
        overrides=_overrides(given),
        timeouts=timeouts(given),
        retry=retry(given),
        notifications=_notifications(given),
        cache={} if given["cache"] is None else {"enabled": given["cache"]},
        artifact_path=given["artifact_path"] or "",
        inline=given["pdb"],
        pdb=given["pdb"],
    )


def _notifications(given: dict[str, Any]) -> list[dict[str, Any]]:
    on = [state.strip() for word in given["notify_on"] for state in word.split(",")]
    if (on or given["notify_when"]) and not given["notify"]:
        raise UsageError("nobody is to be told", advice="Add --notify console, or another notifier.")
    return [{"to": to, "on": on, "when": given["notify_when"]} for to in given["notify"]]


def _live(given: dict[str, Any]) -> Callable[..., Any]:
    from framework.cli.run.debugging import live_function

    return live_function(given["target"] or "", given["handler"])


def _overrides(given: dict[str, Any]) -> dict[str, Any]:
    names = ("image", "requests", "limits", "env", "secrets", "requirements", "workdir", "settings", "options")
    return overrides(**{name: given[name] for name in names})


def show_plan(session: Session, planned: Planned, *, as_json: bool) -> None:
    """Print what would be sent and created."""
    from framework.engine.execute import dry_run

    document = dry_run(session, planned)
    if as_json:
        write_json(document)
    else:
        say(write_yaml(document))
        note("Nothing was run.")


def detach(session: Session, planned: Planned, *, as_json: bool) -> None:
    """Start it, and print its uid."""
    from framework.engine.execute import execute

    document = complete_run(execute(session, planned, watch=False))
    uid = document["metadata"]["uid"]
    if as_json:
        write_json(document)
    else:
        say(uid)
        following(f"framework logs -f {uid}", f"framework runs show {uid}")


def watch_run(session: Session, planned: Planned, *, as_json: bool) -> tuple[Document, int]:
    """Run it to its end, and print what is to be said of it; returns the run's document and the exit status."""
    from framework.engine.execute import execute

    live = Live(apart=as_json)
    with interrupts() as seen:
        try:
            document = complete_run(execute(session, planned, on_event=live))
        finally:
            live.finish()
    if as_json:
        write_json(document)
    debugged = planned.request.pdb  # then the traceback was said where the debugger began
    for line in summary(document, said=(lambda _text: True) if debugged else live.has_said):
        note(line)
    if not as_json:
        following(*next_commands(document, short(session.database, document["metadata"]["uid"])))
    state = document["status"]["state"]
    if state == "aborted" and seen:
        return document, INTERRUPTED
    return document, 0 if state == "completed" else 1
