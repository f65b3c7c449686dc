"""Values become what the annotations say."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from typing import Any, Final

from framework_run.annotations import name_of, shown, unwrap
from framework_run.errors import did_you_mean
from framework_run.scalars import NONE, SCALARS, ConversionError, scalar_of, wrong

__all__ = ["ConversionError", "convert", "json_of", "scalar_of"]

_NOTHING: Final = type(None)
_UNIONS: Final = (typing.Union, types.UnionType)
_ORDERED: Final[dict[Any, type]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}
_MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def convert(value: Any, annotation: Any, *, raw: bool = False) -> Any:  # noqa: PLR0911  one for each family of types
    """The value as the annotation wants it.

    Nothing is guessed: a bool is no int, 1.0 is no int, a text is no list. An int is taken for a float, a list for a
    tuple or set, and text for what has one written form (dates, paths, UUIDs, Decimals). ``raw`` text is parsed by
    the annotation: containers as JSON, or their items between commas; true, false, yes, no; ``none`` where None may be.

    Args:
        value: A JSON value, a live object, or text from a command line.
        annotation: A resolved type; what is not understood takes any value.
        raw: The value is text that has to be parsed.

    Raises:
        ConversionError: It is not what the annotation says.
    """
    scalar = SCALARS.get(annotation) if type(annotation) is type else None
    if scalar is not None:
        return scalar(value, raw)
    annotation = unwrap(annotation)
    if annotation is Any or annotation is object:
        return scalar_of(value) if raw else value
    origin = typing.get_origin(annotation)
    if origin in _UNIONS:
        return _union(value, typing.get_args(annotation), raw=raw)
    if origin is typing.Literal:
        return _literal(value, typing.get_args(annotation), raw=raw)
    base, args = origin or annotation, typing.get_args(annotation)
    if not isinstance(base, type):
        return scalar_of(value) if raw else value
    if base in _ORDERED:
        return _ordered(value, base, args, raw=raw)
    if base is tuple:
        return _tuple(value, args, raw=raw)
    if base in _MAPPINGS:
        return _mapping(value, args, raw=raw)
    return _of_class(value, base, raw=raw)


def json_of(text: Any, wanted: Any) -> Any:
    """The JSON value that a text is.

    Raises:
        ConversionError: It is none.
    """
    if not isinstance(text, str):
        return text
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{shown(text)} is no {name_of(wanted)} in JSON: {error}") from None


# Choices


def _union(value: Any, members: tuple[Any, ...], *, raw: bool) -> Any:
    """The member that the value is already, else the first that takes it.

    Of text, what is narrower is tried first: text itself fits everything, and 1 is a number before it is a bool.
    """
    if raw and isinstance(value, str):
        word = value.strip().lower()
        if _NOTHING in members and (word in NONE or (not word and str not in members)):
            return None
        members = tuple(member for member in members if member is not _NOTHING)
        if str in members and word[:1] not in {"[", "{"}:
            members = tuple(member for member in members if not _is_container(member)) or members
        members = tuple(sorted(members, key=lambda member: (member is str, member is bool)))
    elif any(type(value) is member for member in members):
        return value
    for member in members:
        try:
            return convert(value, member, raw=raw)
        except ConversionError:
            continue
    wanted = " | ".join(name_of(member) for member in members)
    raise ConversionError(f"{shown(value)} is none of {wanted}")


def _is_container(member: Any) -> bool:
    base = typing.get_origin(unwrap(member)) or member
    return base in _ORDERED or base is tuple or base in _MAPPINGS


def _literal(value: Any, choices: tuple[Any, ...], *, raw: bool) -> Any:
    for choice in choices:
        inner = choice.value if isinstance(choice, enum.Enum) else choice
        if type(value) is type(choice) and value == choice:
            return choice
        if raw and str(inner).lower() == str(value).lower() and not isinstance(inner, str):
            return choice
        if isinstance(choice, enum.Enum) and value == inner:
            return choice
    raise _no_choice(value, [repr(choice) for choice in choices], [c for c in choices if isinstance(c, str)])


def _enum(value: Any, annotation: type[enum.Enum], *, raw: bool) -> enum.Enum:
    if isinstance(value, annotation):
        return value
    for member in annotation:
        if member.value == value and isinstance(member.value, bool) is isinstance(value, bool):
            return member
    for name, member in annotation.__members__.items():
        if isinstance(value, str) and (name == value or (raw and str(member.value) == value)):
            return member
    names = list(annotation.__members__)
    raise _no_choice(value, names, names)


def _no_choice(value: Any, choices: list[str], texts: list[str]) -> ConversionError:
    hint = did_you_mean(value, texts) if isinstance(value, str) else ""
    return ConversionError(f"{shown(value)} is none of {', '.join(choices)}.{hint}".removesuffix("."))


# Containers


def _ordered(value: Any, base: Any, args: tuple[Any, ...], *, raw: bool) -> Any:
    items, still_raw = _items(value, base, raw=raw)
    made = _ORDERED[base]
    if not isinstance(items, (list, tuple, set, frozenset)):
        if isinstance(items, (str, bytes, dict)) or base in (list, set, frozenset) or not isinstance(items, base):
            raise wrong(value, base)
        return items  # a live object that is what is asked for, such as a range for a Sequence
    inner = args[0] if args else Any
    converted = [_inside(f"item {index}", item, inner, raw=still_raw) for index, item in enumerate(items)]
    if made is list is type(items) and all(new is old for new, old in zip(converted, items, strict=True)):
        return items  # the list that was given, because nothing in it has changed
    try:
        return made(converted)
    except TypeError as error:  # an item that cannot be hashed
        raise wrong(value, base, f": {error}") from None


def _tuple(value: Any, args: tuple[Any, ...], *, raw: bool) -> tuple[Any, ...]:
    items, still_raw = _items(value, tuple, raw=raw)
    if not isinstance(items, (list, tuple)):
        raise wrong(value, tuple)
    if not args and not still_raw:
        return tuple(items)
    if not args or (len(args) == 2 and args[1] is Ellipsis):  # noqa: PLR2004  tuple[X, ...]
        args = (args[0] if args else Any,) * len(items)
    args = () if args == ((),) else args  # tuple[()] in Python 3.10
    if len(items) != len(args):
        raise ConversionError(f"{shown(value)} has {len(items)} items, not {len(args)}")
    pairs = enumerate(zip(items, args, strict=True))
    return tuple(_inside(f"item {index}", item, inner, raw=still_raw) for index, (item, inner) in pairs)


def _mapping(value: Any, args: tuple[Any, ...], *, raw: bool) -> Any:
    content = json_of(value, dict) if raw else value
    if not isinstance(content, collections.abc.Mapping):
        raise wrong(value, dict)
    if not args:
        return content
    # JSON has keys of text only: they are parsed by the annotation.
    return {
        _inside(f"key {key!r}", key, args[0], raw=isinstance(key, str)): _inside(
            f"key {key!r}", item, args[1], raw=False
        )
        for key, item in content.items()
    }


def _items(value: Any, wanted: Any, *, raw: bool) -> tuple[Any, bool]:
    """The items of a container, and whether they are still text: ``1,2,3`` is, ``[1, 2, 3]`` is not."""
    if not raw or not isinstance(value, str):
        return value, False
    text = value.strip()
    if text.startswith(("[", "{")):
        return json_of(text, wanted), False
    return [part.strip() for part in text.split(",")] if text else [], True


def _inside(where: str, value: Any, annotation: Any, *, raw: bool) -> Any:
    try:
        return convert(value, annotation, raw=raw)
    except ConversionError as error:
        raise ConversionError(f"{where}: {error}") from None


# Classes


def _of_class(value: Any, annotation: type, *, raw: bool) -> Any:
    if issubclass(annotation, enum.Enum):
        return _enum(value, annotation, raw=raw)
    from framework_run import records, written

    if records.is_record(annotation):
        return records.make(json_of(value, annotation) if raw else value, annotation, convert)
    if _is_instance(value, annotation):
        return value
    if written.has_form(annotation):
        return written.parse(value, annotation)
    for base in (int, float, str):
        if issubclass(annotation, base):  # a class of the user's, or numpy.float64
            return annotation(SCALARS[base](value, raw))
    return scalar_of(value) if raw else value


def _is_instance(value: Any, annotation: type) -> bool:
    try:
        return isinstance(value, annotation)
    except TypeError:  # a Protocol that cannot be asked
        return False
