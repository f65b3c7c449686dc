"""``framework artifacts``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from framework.cli.documents import complete_artifact
from framework.cli.options import json_option, project_option
from framework.cli.output import following, heading, note, say, write_json, write_table
from framework.cli.session import collected
from framework.cli.tables import Column
from framework.cli.text import moment, one_line, pairs, size
from framework.errors import NotFound, UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session


@click.command("list")
@click.option("--project", metavar="NAME", help="Artifacts of this project.  [default: every project]")
@click.option("--run", metavar="UID", help="Artifacts of this run.")
@click.option("--key", metavar="KEY", help="Artifacts of this key.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most so many."
)
@click.option("--all", "every", is_flag=True, help="All that fit, however many.")
@json_option
def list_artifacts(  # noqa: PLR0913  one argument an option
    *, project: str | None, run: str | None, key: str | None, limit: int, every: bool, as_json: bool
) -> None:
    """List artifacts, the newest first."""
    database = collected().database
    uid = None if run is None else str(database.run(run)["metadata"]["uid"])
    found = database.artifacts(project=project, run=uid, key=key, limit=None if every else limit)
    artifacts = [complete_artifact(artifact) for artifact in found]
    if as_json:
        write_json(artifacts)
        return
    if not artifacts:
        note(
            "No artifact fits."
            if project or run or key
            else "There are no artifacts yet; what a handler returns is one."
        )
        following("framework runs list")
        return
    columns = [
        Column("key"),
        Column("project"),
        Column("type"),
        Column("size", right=True),
        Column("created"),
        Column("run"),
        Column("digest"),
    ]
    write_table(columns, [_row(artifact) for artifact in artifacts])
    if len(artifacts) == limit and not every:
        note(f"The newest {limit}; --all shows every one.")
    following(f"framework artifacts get {artifacts[0]['metadata']['key']}")


def _row(artifact: Document) -> list[str]:
    metadata, spec = artifact["metadata"], artifact["spec"]
    return [
        metadata["key"],
        metadata["project"],
        _type(spec),
        size(spec["size"]),
        moment(spec["created"]),
        spec["run"][:13],
        spec["digest"][:19],
    ]


@click.command("show")
@click.argument("key", metavar="KEY")
@project_option
@click.option("--run", metavar="UID", help="As this run made it.")
@json_option
def show(key: str, project: str | None, run: str | None, as_json: bool) -> None:
    """Show one artifact.

    KEY is a key, key:tag, key@sha256:… or the whole store:// URI.
    """
    artifact = complete_artifact(_find(collected(), key, project, run))
    if as_json:
        write_json(artifact)
        return
    metadata, spec = artifact["metadata"], artifact["spec"]
    say(heading(one_line(metadata["key"])))
    say()
    rows = {
        "project": metadata["project"],
        "type": _type(spec),
        "file": spec["name"],
        "size": size(spec["size"]),
        "digest": spec["digest"],
        "run": spec["run"],
        "tags": ", ".join(metadata["tags"]),
        "labels": pairs(metadata["labels"], 100),
        "metadata": pairs(spec["metadata"], 200),
        "created": moment(spec["created"]),
        "uri": spec["uri"],
    }
    for name, text in rows.items():
        if text and text != "-":
            say(f"  {name:<8} {one_line(text)}")
    following(f"framework artifacts get {key}{f' --run {run}' if run else ''}")


@click.command("get")
@click.argument("key", metavar="KEY")
@click.option("-o", "--output", metavar="PATH", help="Where to; - is standard output.  [default: the name that it had]")
@project_option
@click.option("--run", metavar="UID", help="As this run made it.")
def get(key: str, output: str | None, project: str | None, run: str | None) -> None:
    """Copy the content of an artifact to a file or folder, verified against its digest.

    KEY is a key, key:tag, key@sha256:… or the whole store:// URI.
    """
    session = collected()
    spec = complete_artifact(_find(session, key, project, run))["spec"]
    storage = session.storage_of(spec["uri"])
    if output == "-":
        import shutil
        import sys

        with storage.open(spec["uri"]) as content:
            shutil.copyfileobj(content, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    target = Path(output) if output else Path(Path(spec["name"] or key.rpartition("/")[2]).name)
    if output and target.is_dir():
        target = target / Path(spec["name"] or "artifact").name
    if target.exists():
        raise UsageError(f"{str(target)!r} is there already", advice="Name another place with -o PATH.")
    path = storage.get(spec["uri"], target)
    note(f"{size(spec['size'])} in {path}")


def _type(spec: dict[str, Any]) -> str:
    return " ".join(dict.fromkeys(word for word in (spec["type"], spec["format"]) if word))


def _find(session: Session, key: str, project: str | None, run: str | None) -> Document:
    """The artifact that a word names.

    Raises:
        NotFound: There is none.
    """
    from framework.uris import ArtifactUri

    if run is not None:
        return _of_run(session, key, run)
    if "://" not in key:
        key = f"store://{project or session.settings.project}/{key}"
    uri = ArtifactUri.parse(key)
    return session.database.artifact(uri.project, uri.key, tag=uri.tag or "latest", digest=uri.digest or None)


def _of_run(session: Session, key: str, run: str) -> Document:
    document = session.database.run(run)
    uid = document["metadata"]["uid"]
    found = session.database.artifacts(run=uid, key=key)
    if not found:
        kept = ", ".join(document["status"].get("artifacts", {})) or "none"
        raise NotFound(
            f"run {uid} has no artifact {key!r} (it has: {kept})", advice=f"See: framework artifacts list --run {uid}"
        )
    return found[0]
