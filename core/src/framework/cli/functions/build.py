"""``framework function build``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from framework.builders import USUAL
from framework.cli.options import json_option, project_option
from framework.cli.output import following, note, say, write_json
from framework.cli.session import opened
from framework.errors import FrameworkError, UsageError

if TYPE_CHECKING:
    from framework.builders import Builder, Recipe
    from framework.engine.images import Image
    from framework.engine.session import Session
    from framework.models import Function


@click.command("build")
@click.argument("target")
@click.option(
    "--set", "settings", multiple=True, metavar="SPEC.PATH=VALUE", help="Any field of the spec, as for `run`."
)
@click.option("--push", "registry", metavar="REGISTRY", help="Where it goes.  [default: the setting `registry`]")
@click.option("--builder", default=USUAL, show_default=True, metavar="NAME", help="The tool that builds.")
@click.option("--rebuild", is_flag=True, help="Build it though it is there: its base may have moved.")
@click.option("--dry-run", is_flag=True, help="Print the Containerfile; build nothing.")
@project_option
@json_option
def build(  # noqa: PLR0913, PLR0917  one argument a flag
    target: str,
    settings: tuple[str, ...],
    registry: str | None,
    builder: str,
    rebuild: bool,
    dry_run: bool,
    project: str | None,
    as_json: bool,
) -> None:
    """Build the image that a function needs, and push it.

    TARGET is as for `run`. The image is made of the spec's environment: base_image, commands, build_requirements. Its
    tag is named by these, so that nothing is built twice, and runs of kinds that use images take it by themselves.
    """
    from framework.engine import images

    session = opened()
    function, made_of = _recipe(session, target, settings, project)
    place = session.settings.registry if registry is None else registry
    if dry_run:
        name = images.image_name(made_of, place)
        if as_json:
            write_json({"image": name, "containerfile": made_of.containerfile})
        else:
            say(made_of.containerfile.rstrip())
            note(f"Would be {name}; nothing was built.")
        return
    tool = session.plugins.builder(builder, place)
    made = _built(tool, made_of, anew=rebuild)
    if as_json:
        write_json({"image": made.image, "digest": made.digest, "built": made.built})
        return
    say(made.image)
    note(f"{'Built' if made.built else 'It was there already:'} {made.digest}")
    following(*_next(session, target, place, function))


def _built(tool: Builder, made_of: Recipe, *, anew: bool) -> Image:
    """The image; an error does not say again what was printed as it came."""
    from framework.engine import images

    printed: set[str] = set()

    def tell(line: str) -> None:
        printed.add(line)
        note(f"  {line}")

    try:
        return images.build(tool, made_of, tell, anew=anew)
    except FrameworkError as error:
        error.message = "\n".join(line for line in error.message.splitlines() if line not in printed)
        raise


def _recipe(session: Session, target: str, settings: tuple[str, ...], project: str | None) -> tuple[Function, Recipe]:
    from framework.cli.run.overrides import overrides
    from framework.engine import images
    from framework.engine.plan import RunRequest, resolved

    request = RunRequest(target=target, project=project or "", overrides=overrides(settings=settings))
    function = resolved(session, request)
    made_of = images.recipe(function.spec.environment)
    if made_of is None:
        raise UsageError(
            f"{function.metadata.name!r} asks for nothing that is built",
            advice="Set environment.build_requirements or environment.commands: --set environment.commands='[…]'",
        )
    return function, made_of


def _next(session: Session, target: str, registry: str, function: Function) -> list[str]:
    if registry and registry != session.settings.registry:
        return [f"framework config set registry {registry}"]
    kind = function.kind if function.kind != "local" else "job"
    return [f"framework run {target} --kind {kind}"] if registry else ["framework config set registry HOST/PATH"]
