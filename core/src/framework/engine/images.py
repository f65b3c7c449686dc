"""Images that are built: their recipe from a spec, their name from the recipe's content, and who builds them."""

from __future__ import annotations

import hashlib
import shlex
import sys
from typing import TYPE_CHECKING

from attrs import frozen

from framework.builders import USUAL, Builder, Recipe, Report
from framework.errors import FrameworkError, UsageError
from framework.models.function import Environment
from framework.runtimes import Finding

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.models import Function

REPOSITORY = "framework-env"
"""The name of the repository in the registry: an image is an environment, which many functions may share."""

_TAG = 16  # hex digits of a recipe's SHA-256
_PIP = "python3 -m pip install --no-cache-dir --disable-pip-version-check --no-input"
# Read from the environment of who builds; they are no part of the image, nor of its tag.
_INDEX = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")


@frozen(kw_only=True)
class Image:
    """An image that a function's environment asks for: its name, digest, and whether it was built just now."""

    image: str
    digest: str
    built: bool


def recipe(environment: Environment) -> Recipe | None:
    """The recipe of an environment; None where it asks for nothing that is built.

    Commands run first, each as a step of its own, then the requirements are installed.

    Raises:
        UsageError: A command or a requirement cannot be a step.
    """
    commands, requirements = environment.commands, environment.build_requirements
    if not commands and not requirements:
        return None
    for field, words in (("commands", commands), ("build_requirements", requirements)):
        for word in words:
            _check(f"spec.environment.{field}", word)
    lines = [f"FROM {base_image(environment)}", *(f"ARG {name}=" for name in _INDEX)]
    lines += [f"RUN {command}" for command in commands]
    if requirements:
        # An image is no system that its packages belong to (PEP 668), and root is who installs there.
        quoted = " ".join(shlex.quote(requirement) for requirement in requirements)
        lines.append(f"RUN PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore {_PIP} {quoted}")
    text = "\n".join(lines) + "\n"
    return Recipe(containerfile=text, tag=hashlib.sha256(text.encode()).hexdigest()[:_TAG])


def base_image(environment: Environment) -> str:
    """What an image is built upon: as the spec says, or plain Python of this interpreter's version."""
    default = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    return environment.base_image or environment.image or default


def image_name(made_of: Recipe, registry: str) -> str:
    """The whole name of an image."""
    return f"{registry.rstrip('/') or 'localhost'}/{REPOSITORY}:{made_of.tag}"


def image_of(session: Session, function: Function) -> str:
    """The image that a run of a function takes.

    It is the one that is built of the spec's commands and requirements, in the registry that is set; without such, the
    spec's own or its base.

    Raises:
        UsageError: It has to be built, and there is no registry.
    """
    environment = function.spec.environment
    made_of = recipe(environment)
    if made_of is None:
        return environment.image or environment.base_image
    if not session.settings.registry:
        raise UsageError(
            f"{function.metadata.name!r} needs an image that is built, and there is no registry for it to come from",
            advice="framework config set registry HOST/PATH, and then: framework function build",
        )
    return image_name(made_of, session.settings.registry)


def looked_for(session: Session, function: Function, target: str) -> Finding | None:
    """Whether the image that is built for a function is in the registry; None where none is built for it.

    Args:
        session: Whose registry it is.
        function: As `framework.engine.plan.in_its_image` gives it.
        target: What people call it on the command line.
    """
    if recipe(function.spec.environment) is None:
        return None
    image, subject = function.spec.environment.image, "built image"
    try:
        digest = session.plugins.builder(USUAL, session.settings.registry).find(image)
    except FrameworkError as error:  # it is the backend that has to reach the registry
        return Finding(subject=subject, ok=True, message=f"{image} cannot be looked for from here: {error.message}")
    if digest:
        return Finding(subject=subject, ok=True, message=f"{image} is in the registry, {digest}")
    advice = f"framework function build {target}, with the same --set"
    return Finding(subject=subject, ok=False, message=f"{image} has not been built", advice=advice)


def build(builder: Builder, made_of: Recipe, report: Report, *, anew: bool = False) -> Image:
    """Have an image built and pushed, unless it is there.

    Args:
        builder: Who builds, for a registry.
        made_of: The recipe.
        report: Is told what the builder says.
        anew: Build it even if it is there: its base may have moved.

    Raises:
        UsageError: A step failed.
        BackendError: The builder or the registry failed.
    """
    image = image_name(made_of, builder.registry)
    digest = "" if anew else builder.find(image)
    return Image(image=image, digest=digest or builder.build(made_of, image, report), built=not digest)


def _check(where: str, word: str) -> None:
    if not word.strip() or "\n" in word:
        raise UsageError(f"{where}: {word!r} is no single line", advice="Write one step a line, as a list.")
