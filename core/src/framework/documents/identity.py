"""The identity of a Function: the same content has the same version, wherever it lies.

The version is the SHA-256 of the canonical JSON (RFC 8785) of ``{"kind", "spec"}``. In the spec

- code enters by the digests of its files, its module, handler and command, not by where it lies (`path`, `workdir`);
- a field at its default is left out, so that a plugin that gains an option changes no version;
- options are written by the options class of the kind where its plugin is installed, and as they are where it is not.

Metadata (name, project, labels, description) and status do not enter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import attrs

from framework.documents.canonical import digest
from framework.documents.dump import dump
from framework.errors import DocumentError
from framework.models import Function
from framework_run.numbers import decode, encode

_PLACES = ("path", "workdir")
_ABSENT = object()


def version_of(function: Function, options_class: type | None = None) -> str:
    """The version of a Function.

    Args:
        function: The Function, its ``spec.code.files`` filled in.
        options_class: The attrs class of its kind's options; None where the plugin is not installed.

    Returns:
        ``sha256:`` and 64 hex digits.

    Raises:
        DocumentError: The options do not fit their class, or a value has no JSON form.
    """
    try:
        return digest(identity(function, options_class))
    except (TypeError, ValueError) as error:
        raise DocumentError(f"the function {function.metadata.name!r} has no version: {error}") from None


def identity(function: Function, options_class: type | None = None) -> dict[str, Any]:
    """The document whose hash is the version; arguments and errors as `version_of`."""
    spec = dump(function.spec)
    _replace(spec, "code", {key: part for key, part in spec.get("code", {}).items() if key not in _PLACES})
    _replace(spec, "options", encode(normal_options(function, options_class)))
    return {"kind": function.kind, "spec": spec}


def normal_options(function: Function, options_class: type | None) -> dict[str, Any]:
    """A function's options as the class of its kind writes them, without those at their defaults.

    Where there is no class they are as they are.

    Raises:
        DocumentError: They do not fit the class, or its kind has none.
    """
    options = function.spec.options
    if options_class is None or not options:
        return options
    if not attrs.fields(options_class):
        names = ", ".join(map(repr, options))
        raise DocumentError(
            f"the kind {function.kind!r} has no options of its own, and spec.options has {names}",
            advice="Leave out -o (options=). What a run of any kind may use is said so: --limit memory=2GiB",
        )
    from framework.documents.converters import structure

    return cast(
        "dict[str, Any]", decode(dump(structure(options, options_class, source="spec.options", at="$.spec.options")))
    )


def components(function: Function, options_class: type | None = None) -> dict[str, str]:
    """The parts of the identity, each with its hash: which of them differ is why two versions do.

    Args:
        function: As `version_of`.
        options_class: As `version_of`.

    Returns:
        The path of each field that is not at its default, such as ``environment.image`` or ``code.files.train.py``,
        with the hash of its value; for a file, of its content.
    """
    flat = _flat(identity(function, options_class))
    return {path: value if path.startswith(_FILES) else digest(value) for path, value in flat.items()}


def diff(a: Function, b: Function) -> list[tuple[str, Any, Any]]:
    """The fields in which the identities of two Functions differ.

    Args:
        a: The one.
        b: The other.

    Returns:
        Path, value in ``a`` and value in ``b`` of each, None where it is at its default or absent; in the order of the
        spec.
    """
    before, after = _flat(identity(a)), _flat(identity(b))
    return [
        (path, before.get(path), after.get(path))
        for path in dict.fromkeys([*before, *after])
        if before.get(path, _ABSENT) != after.get(path, _ABSENT)
    ]


_FILES = "code.files."


def _replace(spec: dict[str, Any], key: str, part: dict[str, Any]) -> None:
    if part:
        spec[key] = part
    else:
        spec.pop(key, None)


def _flat(whole: dict[str, Any]) -> dict[str, Any]:
    return {"kind": whole["kind"], **dict(_fields(whole["spec"], ""))}


def _fields(part: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in part.items():
        if isinstance(value, dict) and value and not (len(value) == 1 and next(iter(value)).startswith("$")):
            yield from _fields(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
