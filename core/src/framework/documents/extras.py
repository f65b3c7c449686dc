"""Unknown keys of documents, kept aside while a document is an object.

They belong to the object that stands for the mapping they were found in, so they move with it when a list is reordered,
and go with it when it is dropped. A copy (``attrs.evolve``, ``copy``) is another object and has none: change what was
loaded in place.
"""

from __future__ import annotations

import weakref
from typing import Any

# By id, because attrs classes that compare by value are not hashable; the reference tells an id that is used again.
_kept: dict[int, tuple[weakref.ref[Any], dict[str, Any]]] = {}


def keep(owner: Any, extras: dict[str, Any]) -> None:
    """Keep the unknown keys of an object for as long as it lives.

    Args:
        owner: The object.
        extras: The keys with their values, as they were in the document.
    """
    identifier = id(owner)

    def forget(reference: weakref.ref[Any]) -> None:
        if (kept := _kept.get(identifier)) is not None and kept[0] is reference:
            del _kept[identifier]

    _kept[identifier] = (weakref.ref(owner, forget), extras)


def extras_of(owner: Any) -> dict[str, Any]:
    """The unknown keys that an object was loaded with; usually none."""
    kept = _kept.get(id(owner))
    return kept[1] if kept is not None and kept[0]() is owner else {}
