"""The identity of a Function: the same content gives the same version, wherever it lies.

The version is the SHA-256 of the RFC 8785 canonical JSON of kind and spec. The code enters by the digests of its files, not by its path.
Fields at their defaults are left out; so a plugin that gains an option changes no version. Options of a kind whose plugin is absent enter as they are.
"""

from __future__ import annotations

from typing import Any

from framework.documents.canonical import digest
from framework.documents.dump import dump
from framework.models import Function

_PLACES = ("path", "workdir")  # where things lie, not what they are


def version_of(function: Function, options_class: type | None = None) -> str:
    """The version of a function.

    Args:
        function: The function; metadata and status do not enter.
        options_class: The attrs class of its kind's options, where the plugin is installed.

    Returns:
        ``sha256:…``
    """
    return digest(identity(function, options_class))


def identity(function: Function, options_class: type | None = None) -> dict[str, Any]:
    """What enters the version, as a document."""
    spec = dump(function.spec)
    code = {name: value for name, value in spec.get("code", {}).items() if name not in _PLACES}
    if code:
        spec["code"] = code
    else:
        spec.pop("code", None)
    options = normal_options(function.spec.options, options_class)
    if options:
        spec["options"] = options
    else:
        spec.pop("options", None)
    return {"kind": function.kind, "spec": spec}


def components(function: Function, options_class: type | None = None) -> dict[str, str]:
    """The parts of the identity, each with its digest, to say which of them differ."""
    whole = identity(function, options_class)
    return {"kind": digest(whole["kind"]), **{part: digest(content) for part, content in whole["spec"].items()}}


def normal_options(options: dict[str, Any], options_class: type | None) -> dict[str, Any]:
    """A kind's options, checked by its class and without those at their defaults.

    Raises:
        DocumentError: They do not fit the class.
    """
    if options_class is None or not options:
        return options
    from framework.documents.converters import structure

    return dump(structure(options, options_class, source="the options"))
