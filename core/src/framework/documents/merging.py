"""The defaults of a project under a function's own spec."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any


def merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Two parts of a document as one.

    Mappings are merged key by key. Of anything else, lists and an explicit null included, the own value stands. To be
    merged before they are made into objects: an object no longer knows whether a value at its default was written.

    Args:
        defaults: What holds where ``own`` says nothing.
        own: What was written for this document; all of it is in the result.

    Returns:
        A new document that shares nothing with the two.
    """
    result = {key: deepcopy(value) for key, value in defaults.items() if key not in own}
    for key, value in own.items():
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            result[key] = merged(default, value)
        else:
            result[key] = deepcopy(value)
    return result
