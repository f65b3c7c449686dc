"""The converter for documents that people write, and what it says is wrong with them."""

from __future__ import annotations

import difflib
import reprlib
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs import frozen

from framework.documents import hooks
from framework_run.numbers import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

    Hook = Callable[[Any, Any], Any]

_SCALARS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@frozen
class Problem:
    """One thing that is wrong with a document."""

    path: str
    message: str
    advice: str


class Mismatch(ValueError):  # noqa: N818  no error of its own: it becomes a Problem
    """A value that is not what is wanted.

    Args:
        value: The value.
        wanted: What is wanted, with its article.
        hint: How to mend it.
    """

    def __init__(self, value: Any, wanted: str, hint: str = "") -> None:
        super().__init__(f"{shown(value)} is not {wanted}" + (f"; {hint}" if hint else ""))


class Parts(ValueError):  # noqa: N818  likewise
    """What is wrong with the parts of a list or a mapping: their steps of the path, and the errors."""

    def __init__(self, errors: list[tuple[str, Exception]]) -> None:
        super().__init__(errors)
        self.errors = errors


@cache
def converter() -> Converter:
    """The converter; there is one."""
    from cattrs import Converter

    made = Converter(forbid_extra_keys=True, detailed_validation=True)
    made.register_structure_hook_factory(attrs.has, lambda cls: _class_hook(made, cls))
    made.register_structure_hook_factory(hooks.is_mapping, lambda cls: _mapping_hook(made, cls))
    made.register_structure_hook_factory(hooks.is_list, lambda cls: _list_hook(made, cls))
    made.register_structure_hook_factory(hooks.is_union, lambda cls: _union_hook(made, cls))
    made.register_structure_hook_func(hooks.is_literal, _literal)
    made.register_structure_hook_func(hooks.is_any, lambda value, _: decode(value))
    for scalar in _SCALARS:
        made.register_structure_hook(scalar, _scalar)
    return made


def problems(error: Exception, cls: Any, path: str = "$") -> list[Problem]:
    """Everything that a converter's error says.

    Args:
        error: What `Converter.structure` raised.
        cls: The class that was wanted.
        path: Where the document lies in a greater one.
    """
    return list(_problems(error, cls, path))


def shown(value: Any) -> str:
    """A value in a message: short, and as YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return reprlib.repr(value)


def step(key: Any) -> str:
    """A key as a step of a path."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"


def _class_hook(made: Converter, cls: Any) -> Hook:
    from cattrs.gen import make_dict_structure_fn

    base = make_dict_structure_fn(cls, made, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            names = ", ".join(field.name for field in attrs.fields(cls))
            raise Mismatch(value, "a mapping", f"it may have {names}")
        return base(value, cls)

    return structure


def _mapping_hook(made: Converter, cls: Any) -> Hook:
    inner = hooks.item_type(cls)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Mismatch(value, "a mapping")
        errors: list[tuple[str, Exception]] = []
        content = {
            _attempt(made, key, str, step(key), errors): _attempt(made, item, inner, step(key), errors)
            for key, item in hooks.members(value)
        }
        if errors:
            raise Parts(errors)
        return content

    return structure


def _list_hook(made: Converter, cls: Any) -> Hook:
    inner = hooks.item_type(cls)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise Mismatch(value, "a list", f"write [{value}]" if isinstance(value, (str, int, float)) else "")
        errors: list[tuple[str, Exception]] = []
        content = [_attempt(made, item, inner, f"[{index}]", errors) for index, item in enumerate(value)]
        if errors:
            raise Parts(errors)
        return content

    return structure


def _union_hook(made: Converter, cls: Any) -> Hook:
    choices = [choice for choice in typing.get_args(cls) if choice is not type(None)]
    may_be_null = len(choices) < len(typing.get_args(cls))
    names = [_SCALARS.get(choice, getattr(choice, "__name__", str(choice))) for choice in choices]

    def structure(value: Any, _: Any) -> Any:
        if value is None and may_be_null:
            return None
        if len(choices) == 1:
            return made.structure(value, choices[0])
        for choice in choices:
            errors: list[tuple[str, Exception]] = []
            content = _attempt(made, value, choice, "", errors)
            if not errors:
                return content
        raise Mismatch(value, " or ".join(names))

    return structure


def _attempt(made: Converter, value: Any, cls: Any, name: str, errors: list[tuple[str, Exception]]) -> Any:
    """The value as the class wants it, or one more error: they are collected, and told together."""
    try:
        return made.structure(value, cls)
    except Exception as error:  # noqa: BLE001  a validator of an options class may raise anything
        errors.append((name, error))
    return None


def _literal(value: Any, cls: Any) -> Any:
    choices = typing.get_args(cls)
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return value
    raise Mismatch(value, f"one of {', '.join(map(str, choices))}", _did_you_mean(value, choices))


def _scalar(value: Any, cls: Any) -> Any:
    plain = decode(value) if isinstance(value, dict) else value
    if type(plain) is cls:
        return plain
    if cls is float and type(plain) is int:
        return float(plain)
    hint = ""
    if cls is str and isinstance(value, (int, float)):
        hint = f'put quotes around it: "{shown(value)}"'
    elif cls is not str and isinstance(value, str) and value:
        hint = "without the quotes it may be one" if _would_fit(value, cls) else ""
    raise Mismatch(value, _SCALARS[cls], hint)


def _would_fit(value: str, cls: Any) -> bool:
    if cls is bool:
        return value in {"true", "false"}
    try:
        cls(value)
    except ValueError:
        return False
    return True


def _problems(error: Exception, cls: Any, path: str) -> Iterator[Problem]:
    from cattrs.errors import AttributeValidationNote, BaseValidationError, ForbiddenExtraKeysError

    if isinstance(error, Parts):
        for name, part in error.errors:
            yield from _problems(part, hooks.item_type(cls), path + name)
    elif isinstance(error, BaseValidationError):
        for part in error.exceptions:
            notes = [note for note in getattr(part, "__notes__", ()) if isinstance(note, AttributeValidationNote)]
            if not notes:
                yield from _problems(part, error.cl, path)
            elif isinstance(part, KeyError) and part.args == (notes[0].name,):
                yield Problem(f"{path}.{notes[0].name}", "it is missing", f"Write {path}.{notes[0].name}.")
            else:
                yield from _problems(part, notes[0].type, f"{path}.{notes[0].name}")
    elif isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(error.extra_fields, key=str):
            yield _unknown(key, error.cl, path)
    else:
        yield Problem(path, str(error), f"Mend {path}.")


def _unknown(key: Any, cls: Any, path: str) -> Problem:
    names = [field.name for field in attrs.fields(cls)]
    hint = (
        _did_you_mean(key, names)
        or _elsewhere(str(key), cls)
        or (f"it may have {', '.join(names)}" if names else "it has no fields")
    )
    return Problem(path + step(key), f"there is no field {key!r}; {hint}", f"Rename or remove {path}{step(key)}.")


def _did_you_mean(value: Any, choices: typing.Iterable[Any]) -> str:
    close = difflib.get_close_matches(str(value), [str(choice) for choice in choices], 1)
    return f"did you mean {close[0]!r}?" if close else ""


def _elsewhere(key: str, cls: Any) -> str:
    """Where a key belongs that was written one or two levels too high: ``spec.image`` is ``spec.environment.image``."""
    types = typing.get_type_hints(cls)
    for field in attrs.fields(cls):
        inner = types[field.name]
        if not attrs.has(inner):
            continue
        if key in {nested.name for nested in attrs.fields(inner)}:
            return f"did you mean '{field.name}.{key}'?"
        if deeper := _elsewhere(key, inner):
            return deeper.replace("did you mean '", f"did you mean '{field.name}.")
    return ""
