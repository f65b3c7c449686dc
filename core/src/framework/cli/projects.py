"""``framework project``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from framework.cli.documents import complete_project
from framework.cli.options import json_option, key_values
from framework.cli.output import following, heading, note, say, write_json, write_table, write_yaml
from framework.cli.session import opened
from framework.cli.tables import Column
from framework.cli.text import pairs
from framework.databases import RunQuery
from framework.errors import NotFound, UsageError


@click.command("list")
@json_option
def list_projects(as_json: bool) -> None:
    """List projects."""
    database = opened().database
    projects = [complete_project(project) for project in database.projects()]
    if as_json:
        write_json(projects)
        return
    columns = [Column("name"), Column("runs", right=True), Column("labels"), Column("description", flexible=True)]
    rows = []
    for project in projects:
        metadata = project["metadata"]
        runs = database.count_runs(RunQuery(project=metadata["name"]))
        rows.append([metadata["name"], f"{runs:,}", pairs(metadata["labels"]), metadata["description"]])
    write_table(columns, rows)
    following(f"framework project show {projects[0]['metadata']['name']}", "framework project create NAME")


@click.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one project."""
    database = opened().database
    project = complete_project(database.project(name))
    if as_json:
        write_json(project)
        return
    functions = database.functions(name)
    say(heading(name))
    say()
    for line in write_yaml(_shown(project)).splitlines():
        say(f"  {line}")
    runs = database.count_runs(RunQuery(project=name))
    say(f"  runs: {runs:,}")
    say(f"  functions: {', '.join(function['metadata']['name'] for function in functions) or '-'}")
    following(f"framework runs list --project {name}")


def _shown(project: dict[str, object]) -> dict[str, object]:
    return {key: part for key, part in project.items() if part}


@click.command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label.")
@click.option("--notify", multiple=True, metavar="NOTIFIER:ADDRESS", help="Tell of the end of each of its runs.")
@click.option("--notify-on", multiple=True, metavar="STATE", help="Only of these ends: completed, failed, aborted.")
@click.option("--artifact-path", default="", metavar="URL", help="Where the artifacts of its runs go.")
@json_option
def create(name: str, as_json: bool, **given: Any) -> None:
    """Create a project."""
    from framework.documents.converters import dump
    from framework.engine.notifications import wanted
    from framework.engine.plan import whole_path
    from framework.models import Project, ProjectMetadata, ProjectSpec
    from framework.uris import FunctionUri

    FunctionUri.parse(f"db://{name}/name")  # a project must be one that a URI can name
    database = opened().database
    try:
        database.project(name)
    except NotFound:
        pass
    else:
        raise UsageError(f"there is a project {name!r} already", advice=f"See it: framework project show {name}")
    labels = key_values(given["labels"], "--label")
    metadata = ProjectMetadata(name=name, labels=labels, description=given["description"])
    place = whole_path(given["artifact_path"], str(Path.cwd()))  # it means the same wherever a run is asked for
    document = dump(Project(metadata=metadata, spec=ProjectSpec(artifact_path=place)))
    told = [{"to": to, "on": list(given["notify_on"])} for to in given["notify"]]
    if told:
        document.setdefault("spec", {})["notifications"] = wanted(opened(), told)
    database.put_project(document)
    if as_json:
        write_json(complete_project(database.project(name)))
        return
    note(f"Created project {name}.")
    following(f"framework run FILE.py:FUNCTION --project {name}")
