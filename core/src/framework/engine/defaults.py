"""What a backend's settings say of every function that runs there, under what the function says itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from framework.models import Function


def under(defaults: Mapping[str, Any], function: Function, written: Mapping[str, Any] | None = None) -> Function:
    """A function as it runs where ``defaults`` hold; its version stays.

    The rule is `framework.documents.merging.merged`: mappings are merged key by key, and of anything else, lists and an
    explicit null included, what was written for the function stands, also where it is what would hold anyway.

    Args:
        defaults: A part of a spec (`framework.runtimes.Runtime.defaults`).
        function: It is not changed.
        written: Its spec as somebody wrote it.

    Raises:
        DocumentError: The defaults are no part of a spec.
    """
    if not defaults:
        return function
    from framework.documents.converters import dump, structure
    from framework.documents.merging import merged
    from framework.models import FunctionSpec

    spec = merged(defaults, dump(function.spec, written))
    found = structure(spec, FunctionSpec, source="config.toml", at=f"$.runtime.{function.kind}.defaults")
    return attrs.evolve(function, spec=found)
