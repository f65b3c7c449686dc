"""Dataclasses, named tuples and typed dictionaries from mappings."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, TypeAlias

from framework_run.annotations import hints, name_of, shown
from framework_run.errors import did_you_mean
from framework_run.scalars import ConversionError

Convert: TypeAlias = Callable[[Any, Any], Any]
"""Makes a value what an annotation says."""


def is_record(annotation: type) -> bool:
    """Whether it is a class that `make` knows."""
    return hasattr(annotation, "__dataclass_fields__") or _is_named_tuple(annotation) or typing.is_typeddict(annotation)


def make(value: Any, annotation: type, convert: Convert) -> Any:
    """An instance of a dataclass, named tuple or typed dictionary.

    Args:
        value: An instance already, a mapping of its fields, or for a named tuple a list of them.
        annotation: The class.
        convert: What makes of a field's value what its annotation says: a conversion is recursive.

    Raises:
        ConversionError: A field is unknown, missing, or not what its annotation says.
    """
    is_dict = typing.is_typeddict(annotation)
    if not is_dict and isinstance(value, annotation):
        return value
    content, types = value, hints(annotation)
    names = _names(annotation, types)
    if _is_named_tuple(annotation) and isinstance(content, (list, tuple)):
        if len(content) > len(names):
            raise ConversionError(f"{shown(value)} has {len(content)} items, {annotation.__name__} {len(names)}")
        content = dict(zip(names, content, strict=False))
    if not isinstance(content, dict):
        raise ConversionError(f"{shown(value)} is no mapping with the fields of {name_of(annotation)}")
    for name in content:
        _check_known(name, names, annotation)
    made = {name: _field(name, item, types.get(name, Any), convert) for name, item in content.items()}
    missing = [name for name in names if name in _required(annotation) and name not in made]
    if missing:
        raise ConversionError(f"{name_of(annotation)} needs the field {missing[0]!r}")
    if is_dict:
        return made
    try:
        return annotation(**made)
    except (TypeError, ValueError) as error:  # what the class itself refuses, in __post_init__ for instance
        raise ConversionError(f"{name_of(annotation)}: {error}") from error


def _check_known(name: Any, names: list[str], annotation: type) -> None:
    if name not in names:
        hint = did_you_mean(name, names) if isinstance(name, str) else ""
        raise ConversionError(f"{name_of(annotation)} has no field {name!r} ({', '.join(names)}).{hint}")


def _field(name: str, item: Any, wanted: Any, convert: Convert) -> Any:
    try:
        return convert(item, wanted)
    except ConversionError as error:
        raise ConversionError(f"field {name}: {error}") from None


def _names(annotation: Any, types: dict[str, Any]) -> list[str]:
    fields = getattr(annotation, "__dataclass_fields__", None)
    if fields is not None:
        import dataclasses

        return [field.name for field in dataclasses.fields(annotation) if field.init]
    return list(annotation._fields) if _is_named_tuple(annotation) else list(types)


def _required(annotation: Any) -> set[str]:
    if hasattr(annotation, "__dataclass_fields__"):
        import dataclasses

        empty = dataclasses.MISSING
        return {f.name for f in dataclasses.fields(annotation) if f.default is empty and f.default_factory is empty}
    if _is_named_tuple(annotation):
        return set(annotation._fields) - set(annotation._field_defaults)
    return {name for name in annotation.__required_keys__ if not _is_not_required(annotation, name)}


def _is_not_required(annotation: Any, name: str) -> bool:
    """``NotRequired`` in annotations that were text when the class was made: typing could not see it then."""
    found = hints(annotation).get(name)
    return getattr(typing.get_origin(found), "_name", "") == "NotRequired"


def _is_named_tuple(annotation: type) -> bool:
    return issubclass(annotation, tuple) and hasattr(annotation, "_fields")
