"""From objects to documents: attrs classes become mappings, with what is at its default left out.

Without cattrs, because every command that runs something needs it and the import takes longer than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import attrs

from framework.documents.extras import extras_of
from framework_run.numbers import encode


def dump(obj: Any, written: Any = None) -> dict[str, Any]:
    """The document of an object of an attrs class, as JSON can carry it.

    Fields at their defaults are left out, but for those that somebody wrote. Unknown keys that it was loaded with are
    in.

    Args:
        obj: The object.
        written: The document as it was written, of which only the names of fields count: an object does not know
            which of its defaults somebody meant.

    Raises:
        TypeError: A value has no JSON form; the message has its path.
    """
    return _dump(obj, "$", written)


def _dump(obj: Any, path: str, written: Any = None) -> dict[str, Any]:
    meant = written if isinstance(written, Mapping) else {}
    document = {}
    cls: Any = type(obj)
    for name, default in _fields(cls):
        value = getattr(obj, name)
        part = _plain(value, f"{path}.{name}", meant.get(name))
        usual = default()
        # An object that equals its default may still carry unknown keys.
        if name in meant or value != usual or (_is_attrs(value) and part != _dump(usual, path)):
            document[name] = part
    return {**document, **extras_of(obj)}


def _plain(value: Any, path: str, written: Any = None) -> Any:
    if _is_attrs(value):
        return _dump(value, path, written)
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and any(map(attrs.has, set(map(type, value.values())))):
        return {key: _plain(item, f"{path}.{key}") for key, item in value.items()}
    try:
        return encode(value)
    except TypeError as error:
        raise TypeError(f"{path}: {error}") from None


def _is_attrs(value: Any) -> bool:
    return hasattr(type(value), "__attrs_attrs__")


def default_of(field: Any) -> Any:
    """What a field is when nothing is said; attrs.NOTHING, which equals nothing else, where it has no default."""
    return _maker(field)()


@cache
def _fields(cls: Any) -> tuple[tuple[str, Callable[[], Any]], ...]:
    """Name of each field, and what makes its default."""
    return tuple((field.name, _maker(field)) for field in attrs.fields(cls) if field.init)


def _maker(field: Any) -> Callable[[], Any]:
    factory: Callable[[], Any] | None = getattr(field.default, "factory", None)
    if factory is None:
        return lambda: field.default
    return factory if not field.default.takes_self else lambda: attrs.NOTHING
