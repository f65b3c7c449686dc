"""Documents and models: strict for what people write, lenient for what a database keeps.

One cattrs converter each, whose hooks are made for a class when it is first used.
"""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any, TypeVar

import attrs

from framework.documents.dump import dump
from framework.errors import DocumentError

__all__ = ["dump", "load", "read_yaml", "structure"]

T = TypeVar("T")
_SHOWN = 10  # errors of one document


def read_yaml(text: str, cls: type[T], *, source: str = "the document") -> T:
    """A model from YAML or JSON that somebody wrote.

    Args:
        text: One document.
        cls: An attrs class.
        source: What messages call it.

    Raises:
        DocumentError: It is no YAML, or does not fit the class.
    """
    from framework.documents.yaml import parse

    return structure(parse(text, source), cls, source=source)


def structure(data: Any, cls: type[T], *, source: str = "the document") -> T:
    """A model from plain data that somebody wrote: unknown keys are refused.

    Raises:
        DocumentError: It does not fit; every place is named by its ``$.path``.
    """
    from cattrs.errors import BaseValidationError

    try:
        model: T = _converter(strict=True).structure(data, cls)
    except (BaseValidationError, TypeError, ValueError) as error:
        places = list(_places(error, data))
        shown = places[:_SHOWN] + ([f"… and {len(places) - _SHOWN} more"] if len(places) > _SHOWN else [])
        raise DocumentError(
            f"{source} does not fit:\n  " + "\n  ".join(shown), advice="Mend what is named, and try again."
        ) from None
    return model


def load(document: dict[str, Any], cls: type[T]) -> T:
    """A model from a document that a database kept: what this version does not know is passed over.

    Who writes the document back merges into the original, so that unknown keys stay.
    """
    model: T = _converter(strict=False).structure(document, cls)
    return model


@cache
def _converter(*, strict: bool) -> Any:
    import cattrs
    from cattrs.strategies import configure_union_passthrough

    converter = cattrs.Converter(forbid_extra_keys=strict)
    configure_union_passthrough(str | int | float | bool | None, converter)
    if strict:
        for kind in (str, int, float, bool):
            converter.register_structure_hook(kind, _exactly)
    return converter


def _exactly(value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is no {_NAMES[kind]}")
    return value


_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _places(error: BaseException, data: Any, path: str = "$") -> Any:
    """One line an error: path, what is wrong, the nearest name."""
    from cattrs.errors import AttributeValidationNote, ForbiddenExtraKeysError, IterableValidationNote

    inner = getattr(error, "exceptions", None)
    if inner is None:
        if isinstance(error, ForbiddenExtraKeysError):
            for name in sorted(error.extra_fields):
                yield f"{path}.{name}: there is no such field{_nearest(name, error.cl)}"
        elif isinstance(error, KeyError):
            yield f"{path}.{error.args[0]}: is missing"
        else:
            yield f"{path}: {error}"
        return
    for part in inner:
        step = ""
        for note in getattr(part, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                step = f".{note.name}"
            elif isinstance(note, IterableValidationNote):
                step = f"[{note.index!r}]" if not isinstance(note.index, str) else f".{note.index}"
        yield from _places(part, data, path + step)


def _nearest(name: str, cls: type) -> str:
    names = [field.name for field in attrs.fields(cls)]
    close = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {close[0]!r}?)" if close else f"; there are {', '.join(names)}"
