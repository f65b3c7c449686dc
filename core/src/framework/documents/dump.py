"""From models to documents, without cattrs: it is on the path of every run."""

from __future__ import annotations

from functools import cache
from typing import Any

import attrs


def dump(model: Any) -> dict[str, Any]:
    """The document of an attrs object, with fields at their defaults left out."""
    document = {}
    for name, default in _fields(type(model)):
        value = getattr(model, name)
        if value == default:
            continue
        document[name] = _value(value)
    return document


def _value(value: Any) -> Any:
    if attrs.has(type(value)):
        return dump(value)
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    return [_value(item) for item in value] if isinstance(value, (list, tuple)) else value


@cache
def _fields(cls: type) -> list[tuple[str, Any]]:
    """The fields and what they are when nothing is said."""
    return [(field.name, default_of(field)) for field in attrs.fields(cls)]


def default_of(field: attrs.Attribute[Any]) -> Any:
    """A field's default; attrs.NOTHING, which equals nothing else, where it has none."""
    factory = getattr(field.default, "factory", None)
    return factory() if factory is not None else field.default
