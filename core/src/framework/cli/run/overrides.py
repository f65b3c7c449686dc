"""The spec flags: what they change in a function's spec, the same for every kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.cli.options import key_values, literal
from framework.errors import UsageError


def overrides(  # noqa: PLR0913  one argument a flag
    *,
    image: str | None = None,
    requests: Iterable[str] = (),
    limits: Iterable[str] = (),
    env: Iterable[str] = (),
    secrets: Iterable[str] = (),
    requirements: Iterable[str] = (),
    workdir: str | None = None,
    settings: Iterable[str] = (),
    options: Iterable[str] = (),
) -> dict[str, Any]:
    """The part of a spec that the flags say; empty when they say nothing.

    Args:
        image: ``--image``.
        requests: ``--request`` words, resource=quantity.
        limits: ``--limit`` words, resource=quantity.
        env: ``--env`` words, NAME=value.
        secrets: ``--secret`` words, NAME=STORE:KEY.
        requirements: ``--requirement`` words, PEP 508.
        workdir: ``--workdir``.
        settings: ``--set`` words, spec.path=value with the value in YAML.
        options: ``-o`` words, option=value with the value in YAML.

    Raises:
        UsageError: A word cannot be read.
    """
    spec: dict[str, Any] = {}
    for word, content in key_values(settings, "--set").items():
        _put(spec, word.removeprefix("spec.").split("."), _yaml(content, f"--set {word}"))
    for name, content in key_values(options, "-o").items():
        _put(spec, ["options", *name.split(".")], _yaml(content, f"-o {name}"))
    for name, content in key_values(requests, "--request").items():
        _put(spec, ["resources", "requests", name], literal(content))
    for name, content in key_values(limits, "--limit").items():
        _put(spec, ["resources", "limits", name], literal(content))
    for name, content in key_values(env, "--env").items():
        _put(spec, ["environment", "env", name], content)
    for name, content in key_values(secrets, "--secret").items():
        _put(spec, ["environment", "secrets", name], content)
    if image is not None:
        _put(spec, ["environment", "image"], image)
    if words := list(requirements):
        _put(spec, ["environment", "requirements"], words)
    if workdir is not None:
        _put(spec, ["code", "workdir"], workdir)
    return spec


def _put(spec: dict[str, Any], path: list[str], content: Any) -> None:
    """Set what lies at a path, making the mappings on the way."""
    place = spec
    for index, step in enumerate(path):
        if not step:
            raise UsageError(f"--set {'.'.join(path)!r} has an empty step", advice="Write --set spec.part.field=value.")
        if index == len(path) - 1:
            place[step] = content
            return
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            whole = ".".join(path[: index + 1])
            raise UsageError(f"{whole!r} is set to a value and to a mapping at once", advice=f"Set {whole} once.")


def _yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or str(error)
        raise UsageError(f"{where}: {text!r} is not YAML: {reason}", advice="Put quotes around the value.") from None


def parameters_of_file(path: str) -> dict[str, Any]:
    """The parameters in a YAML or JSON file.

    Raises:
        UsageError: It cannot be read, or it is no mapping of names to values.
    """
    import yaml

    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123  a path as it was typed
            content = yaml.safe_load(stream)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--params-file {path!r}: {reason}", advice="Name a YAML or JSON file.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"--params-file {path!r}{where}: {getattr(error, 'problem', None) or error}", advice="Mend the file."
        ) from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(
            f"--params-file {path!r} is no mapping of names to values", advice="Write one `name: value` a line."
        )
    return content
