"""What both converters share: how the parts of a type are told."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

_UNIONS = (typing.Union, types.UnionType)


def is_any(cls: Any) -> bool:
    """Whether anything goes."""
    return cls is Any


def is_literal(cls: Any) -> bool:
    """Whether it is one of some values."""
    return typing.get_origin(cls) is typing.Literal


def is_union(cls: Any) -> bool:
    """Whether it is one of some types."""
    return typing.get_origin(cls) in _UNIONS


def is_mapping(cls: Any) -> bool:
    """Whether it is a mapping, with or without types of keys and values."""
    origin = typing.get_origin(cls) or cls
    return isinstance(origin, type) and issubclass(origin, Mapping) and not typing.is_typeddict(origin)


def is_list(cls: Any) -> bool:
    """Whether it is a list or another sequence that is read as one."""
    origin = typing.get_origin(cls) or cls
    return origin in (list, Sequence)


def item_type(cls: Any) -> Any:
    """The type of a list's items or a mapping's values."""
    arguments = typing.get_args(cls)
    return arguments[-1] if arguments else Any


def members(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The members of a mapping as `framework.documents.numbers` encodes one."""
    if len(value) == 1 and "$map" in value:
        return [(key, item) for key, item in value["$map"]]
    return list(value.items())
