"""Values become what the annotations say."""

from __future__ import annotations

import collections.abc
import datetime
import decimal
import enum
import json
import pathlib
import types
import typing
import uuid
from typing import Any

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_NONE = {"none", "null", ""}
_PARSED = {
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    uuid.UUID: uuid.UUID,
    decimal.Decimal: decimal.Decimal,
}
_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_SEQUENCES: dict[Any, Any] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class ConversionError(ValueError):
    """A value that is not what the annotation says."""


def convert(value: Any, annotation: Any, *, raw: bool = False) -> Any:
    """The value as the annotation wants it.

    Args:
        value: A JSON value, or text from a command line.
        annotation: A type, resolved; anything that is not understood passes the value through.
        raw: The value is text that has to be parsed by the annotation.

    Raises:
        ConversionError: It is not what the annotation says.
    """
    if annotation is Any or annotation is None.__class__ and value is None:
        return _scalar(value) if raw and annotation is Any else value
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return convert(value, typing.get_args(annotation)[0], raw=raw)
    if origin in _UNIONS:
        return _union(value, typing.get_args(annotation), raw=raw)
    if origin is typing.Literal:
        return _literal(value, typing.get_args(annotation), raw=raw)
    if (origin or annotation) in _SEQUENCES:
        return _sequence(value, origin or annotation, typing.get_args(annotation), raw=raw)
    if (origin or annotation) in _MAPPINGS:
        return _mapping(value, typing.get_args(annotation), raw=raw)
    if (origin or annotation) is tuple:
        return _tuple(value, typing.get_args(annotation), raw=raw)
    return _plain(value, annotation, raw=raw)


def name_of(annotation: Any) -> str:
    """How a message calls an annotation."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _plain(value: Any, annotation: Any, *, raw: bool) -> Any:
    if not isinstance(annotation, type):
        return value
    if issubclass(annotation, enum.Enum):
        return _enum(value, annotation)
    if annotation in (bool, int, float, str, complex, bytes):
        return _number(value, annotation, raw=raw)
    if isinstance(value, annotation):
        return value
    if annotation in _PARSED and isinstance(value, str):
        try:
            return _PARSED[annotation](value)
        except (ValueError, ArithmeticError):
            raise _error(value, annotation) from None
    if issubclass(annotation, pathlib.PurePath) and isinstance(value, str):
        return annotation(value)
    if annotation is datetime.timedelta and isinstance(value, (int, float, str)):
        return datetime.timedelta(seconds=_number(value, float, raw=isinstance(value, str)))
    if hasattr(annotation, "__dataclass_fields__") or hasattr(annotation, "_fields") or typing.is_typeddict(annotation):
        return _record(_json(value) if raw else value, annotation)
    return _scalar(value) if raw else value


def _number(value: Any, annotation: type, *, raw: bool) -> Any:
    if annotation is str:
        if isinstance(value, str):
            return value
    elif annotation is bool:
        if isinstance(value, bool):
            return value
        if raw and str(value).lower() in _TRUE | _FALSE:
            return str(value).lower() in _TRUE
    elif annotation is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if raw:
            return _parse(value, float)
    elif annotation is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if raw:
            return _parse(value, int)
    elif annotation is bytes and isinstance(value, str):
        return value.encode()
    elif annotation is complex:
        return _parse(value, complex)
    raise _error(value, annotation)


def _parse(value: Any, kind: Any) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise _error(value, kind) from None


def _union(value: Any, members: tuple[Any, ...], *, raw: bool) -> Any:
    if type(None) in members:
        if value is None or (raw and str(value).lower() in _NONE):
            return None
        members = tuple(member for member in members if member is not type(None))
    if not raw:
        for member in members:  # an exact type first, so that 1 stays an int in float | int
            if isinstance(member, type) and type(value) is member:
                return value
    order = sorted(members, key=lambda member: member is str) if raw else members
    for member in order:
        try:
            return convert(value, member, raw=raw)
        except ConversionError:
            continue
    raise ConversionError(f"{value!r} is none of {', '.join(name_of(member) for member in members)}")


def _literal(value: Any, choices: tuple[Any, ...], *, raw: bool) -> Any:
    for choice in choices:
        if (type(value) is type(choice) and value == choice) or (raw and str(choice) == str(value)):
            return choice
    raise ConversionError(f"{value!r} is none of {', '.join(repr(choice) for choice in choices)}")


def _enum(value: Any, annotation: type[enum.Enum]) -> enum.Enum:
    if isinstance(value, annotation):
        return value
    for member in annotation:
        if value == member.value or value == member.name or str(member.value) == value:
            return member
    raise ConversionError(f"{value!r} is none of {', '.join(member.name for member in annotation)}")


def _sequence(value: Any, origin: Any, args: tuple[Any, ...], *, raw: bool) -> Any:
    items, parts_raw = _items(value, raw=raw)
    if isinstance(items, (str, bytes, dict)) or not isinstance(items, collections.abc.Iterable):
        raise _error(value, origin)
    inner = args[0] if args else Any
    return _SEQUENCES[origin](convert(item, inner, raw=parts_raw) for item in items)


def _tuple(value: Any, args: tuple[Any, ...], *, raw: bool) -> tuple[Any, ...]:
    items, parts_raw = _items(value, raw=raw)
    if not isinstance(items, (list, tuple)):
        raise _error(value, tuple)
    if not args:
        return tuple(items)
    if len(args) == 2 and args[1] is Ellipsis:  # noqa: PLR2004  tuple[X, ...]
        return tuple(convert(item, args[0], raw=parts_raw) for item in items)
    if len(items) != len(args):
        raise ConversionError(f"{value!r} has {len(items)} items instead of {len(args)}")
    return tuple(convert(item, inner, raw=parts_raw) for item, inner in zip(items, args))


def _mapping(value: Any, args: tuple[Any, ...], *, raw: bool) -> dict[Any, Any]:
    content = _json(value) if raw else value
    if not isinstance(content, dict):
        raise _error(value, dict)
    if not args:
        return content
    key_type, item_type = args
    return {convert(key, key_type, raw=True): convert(item, item_type) for key, item in content.items()}


def _record(value: Any, annotation: Any) -> Any:
    """A dataclass, NamedTuple or TypedDict from a mapping."""
    if not isinstance(value, dict):
        raise _error(value, annotation)
    hints = typing.get_type_hints(annotation)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ConversionError(f"{annotation.__name__} has no field {unknown[0]!r}; it has {', '.join(hints)}")
    content = {}
    for key, item in value.items():
        try:
            content[key] = convert(item, hints[key])
        except ConversionError as error:
            raise ConversionError(f"{key}: {error}") from None
    missing = sorted(getattr(annotation, "__required_keys__", set()) - set(content))
    if missing:
        raise ConversionError(f"{annotation.__name__} needs {missing[0]!r}")
    try:
        return annotation(**content)
    except TypeError as error:
        raise ConversionError(str(error)) from None


def _items(value: Any, *, raw: bool) -> tuple[Any, bool]:
    """The items of a container, and whether they are still text: ``1,2,3`` is, ``[1, 2, 3]`` is not."""
    if not raw:
        return value, False
    text = str(value).strip()
    if text.startswith("["):
        return _json(text), False
    return [part.strip() for part in text.split(",")] if text else [], True


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ConversionError(f"{value!r} is not JSON: {error}") from None


def _scalar(value: Any) -> Any:
    """Text without an annotation: a JSON value where it is one, else the text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _error(value: Any, annotation: Any) -> ConversionError:
    return ConversionError(f"{value!r} is no {name_of(annotation)}")
