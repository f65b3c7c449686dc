"""``framework function show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from framework.cli.documents import complete_function
from framework.cli.options import json_option, project_option
from framework.cli.output import following, heading, say, write_json, write_yaml
from framework.cli.session import opened
from framework.cli.text import clip, moment, one_line, pairs
from framework.cli.versions import find, provenance

if TYPE_CHECKING:
    from framework.databases import Document


@click.command("show")
@click.argument("name")
@project_option
@json_option
def show(name: str, project: str | None, as_json: bool) -> None:
    """Show one version of a function.

    NAME is a name, name:tag, name@sha256:… or the whole db:// URI.
    """
    kept = find(opened(), name, project)
    if as_json:
        write_json(complete_function(kept))
        return
    say("\n".join(_page(complete_function(kept), kept.get("spec", {}))))
    plain = kept["metadata"]["name"]
    following(f"framework function history {plain}", f"framework runs list --name {plain}")


def _page(function: Document, spec: dict[str, Any]) -> Iterator[str]:
    metadata, status = function["metadata"], function["status"]
    yield heading(metadata["name"]) + (f"  {one_line(metadata['description'])}" if metadata["description"] else "")
    yield ""
    rows = {
        "project": metadata["project"],
        "kind": function["kind"],
        "version": status["version"],
        "tags": ", ".join(status["tags"]),
        "labels": pairs(metadata["labels"], 100),
        "created": moment(status["created"]),
        "from": clip(provenance(status["provenance"]), 100),
    }
    yield from (f"  {name:<8} {text}" for name, text in rows.items() if text and text != "-")
    if status["entry_points"]:
        yield ""
        yield heading("Entry points")
        for entry in status["entry_points"]:
            yield f"  {signature(entry)}"
            if entry.get("doc"):
                yield f"      {clip(one_line(entry['doc'].strip().splitlines()[0]), 100)}"
    yield ""
    yield heading("Spec")
    shown = {**spec, "code": {**spec.get("code", {})}}
    files = shown["code"].get("files", {})
    if len(files) > 5:  # noqa: PLR2004  a folder; its files are in --json
        shown["code"]["files"] = f"{len(files)} files (all with --json)"
    yield from (f"  {line}" for line in write_yaml(shown).splitlines())


def signature(entry: dict[str, Any]) -> str:
    """An entry point as it is written: ``train(depth: int = 3) -> float``."""
    words = []
    for parameter in entry.get("parameters", []):
        word = {"var_positional": "*", "var_keyword": "**"}.get(parameter.get("kind", ""), "") + parameter["name"]
        if parameter.get("annotation"):
            word += f": {parameter['annotation']}"
        if parameter.get("default"):
            word += f" = {parameter['default']}" if parameter.get("annotation") else f"={parameter['default']}"
        words.append(word)
    returns = f" -> {entry['returns']}" if entry.get("returns") else ""
    return one_line(f"{entry['name']}({', '.join(words)}){returns}")
