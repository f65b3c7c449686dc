"""``framework function export`` and ``import``: a function as YAML."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from framework.cli.options import json_option, project_option
from framework.cli.output import following, note, write_json, write_yaml
from framework.cli.session import opened
from framework.cli.versions import abbreviated, find
from framework.errors import DocumentError, SourceError, UsageError


@click.command("export")
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="Where to.  [default: standard output]")
@project_option
@json_option
def export(name: str, output: str | None, project: str | None, as_json: bool) -> None:
    """Write a function as YAML.

    NAME is a name, name:tag or name@sha256:….

    The status (version, tags, provenance) is left out; `import` makes it anew.
    """
    kept = find(opened(), name, project)
    document = {part: kept[part] for part in ("kind", "metadata", "spec") if kept.get(part)}
    if as_json:
        write_json(document)
        return
    text = write_yaml(document) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    path = Path(output)
    if path.exists():
        raise UsageError(f"{output!r} is there already", advice="Name another file with -o.")
    path.write_text(text, encoding="utf-8")
    note(f"Wrote {output}.")
    following(f"framework function import {output}")


@click.command("import")
@click.argument("file")
@project_option
@json_option
def import_(file: str, project: str | None, as_json: bool) -> None:
    """Read a function from YAML, and keep it.

    FILE is what `export` wrote; - is standard input.
    """
    from framework.documents import yaml
    from framework.documents.converters import dump, structure
    from framework.documents.identity import version_of
    from framework.engine.secrets import parsed
    from framework.models import Function

    session = opened()
    text = _text(file)
    written = yaml.read(text, source=file)
    function = structure(written, Function, source=file, text=text)
    if not function.metadata.name:
        raise DocumentError(f"{file} does not fit:\n  $.metadata.name: is missing", advice="Give the function a name.")
    if function.spec.code.handler and not function.spec.code.module:
        raise DocumentError(
            f"{file} does not fit:\n  $.spec.code.module: is missing, and the handler is a part of it",
            advice="Name the module as it is in the image; of code that lies here: framework run FILE.py:FUNCTION",
        )
    for variable, reference in function.spec.environment.secrets.items():
        parsed(variable, reference)
    if project is not None:
        function.metadata.project = project
    function.status.version = version_of(function, session.plugins.options_class(function.kind))
    version = session.database.put_function(dump(function, written))
    if as_json:
        write_json(session.database.function(function.metadata.project, function.metadata.name, version=version))
        return
    note(f"Kept {function.metadata.name} as {abbreviated(version)}.")
    following(f"framework function show {function.metadata.name}")


def _text(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{file!r} cannot be read: {reason}", advice="Name a YAML file.") from None
