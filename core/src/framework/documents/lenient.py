"""The converter for documents of a database: it trusts types, and keeps what it does not know."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import attrs

from framework.documents import hooks
from framework.documents.extras import keep
from framework_run.numbers import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

    Hook = Callable[[Any, Any], Any]


@cache
def converter() -> Converter:
    """The converter; there is one."""
    from cattrs import Converter

    made = Converter(detailed_validation=False)
    made.register_structure_hook_factory(attrs.has, lambda cls: _class_hook(made, cls))
    made.register_structure_hook_factory(hooks.is_mapping, lambda cls: _mapping_hook(made, cls))
    made.register_structure_hook_factory(hooks.is_list, lambda cls: _list_hook(made, cls))
    # A word that a newer version added to a Literal stays what it is.
    for is_kind in (hooks.is_any, hooks.is_literal, hooks.is_union):
        made.register_structure_hook_func(is_kind, _decoded)
    for scalar in (str, int, float, bool):
        made.register_structure_hook(scalar, _decoded)
    return made


def _class_hook(made: Converter, cls: Any) -> Hook:
    from cattrs.gen import make_dict_structure_fn

    names = {field.name for field in attrs.fields(cls)}
    base = make_dict_structure_fn(cls, made, _cattrs_forbid_extra_keys=False, _cattrs_detailed_validation=False)

    def structure(value: Any, _: Any) -> Any:
        obj = base(value, cls)
        if not names.issuperset(value):
            keep(obj, {key: item for key, item in value.items() if key not in names})
        return obj

    return structure


def _mapping_hook(made: Converter, cls: Any) -> Hook:
    inner = hooks.item_type(cls)

    def structure(value: Any, _: Any) -> Any:
        return {key: made.structure(item, inner) for key, item in hooks.members(value)}

    return structure


def _list_hook(made: Converter, cls: Any) -> Hook:
    inner = hooks.item_type(cls)
    return lambda value, _: [made.structure(item, inner) for item in value]


def _decoded(value: Any, _: Any) -> Any:
    return decode(value)
