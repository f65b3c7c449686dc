"""Signatures from the text of the code: what the planner knows before anything runs."""

from __future__ import annotations

import ast
import collections.abc
import datetime as dt
import decimal
import pathlib
import types
import typing
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from framework_run.signatures import (
    KEYWORD,
    MISSING,
    POSITIONAL,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Parameter,
    Signature,
    is_context,
)

_KINDS: Final = {
    "positional": POSITIONAL,
    "keyword": KEYWORD,
    "var_positional": VAR_POSITIONAL,
    "var_keyword": VAR_KEYWORD,
}
_CLASSES: Final[dict[str, Any]] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, bytes, complex, list, dict, tuple, set, frozenset)},
    **{kind.__name__: kind for kind in (dt.datetime, dt.date, dt.time, dt.timedelta)},
    **{kind.__name__: kind for kind in (decimal.Decimal, uuid.UUID, pathlib.Path, pathlib.PurePath)},
    **{name: getattr(collections.abc, name) for name in ("Sequence", "Iterable", "Collection", "Mapping", "Set")},
    "List": list,
    "Dict": dict,
    "Tuple": tuple,
    "FrozenSet": frozenset,
}


def signature_from(parameters: Iterable[Mapping[str, Any]]) -> Signature:
    """A signature as `framework_run.signatures.signature_of` makes it, with what the text of the annotations tells.

    Args:
        parameters: name, annotation, default, kind and required of each, as read from the code.
    """
    found = []
    for each in parameters:
        default = MISSING if each.get("required") or not each.get("default") else _constant(str(each["default"]))
        annotation = str(each.get("annotation") or "")
        made = Parameter(each["name"], _KINDS[each.get("kind") or "positional"], default, annotation_from(annotation))
        made.is_context = made.kind in {POSITIONAL, KEYWORD} and is_context(made.name, annotation)
        found.append(made)
    return Signature(found)


def text_from(parameters: Iterable[Mapping[str, Any]], name: str) -> str:
    """A signature as messages show it."""
    words, starred = [], False
    for each in parameters:
        kind = each.get("kind")
        starred = starred or kind == "var_positional"
        if kind == "keyword" and not starred:
            words.append("*")
            starred = True
        stars = {"var_positional": "*", "var_keyword": "**"}.get(str(kind), "")
        annotation, default = each.get("annotation"), each.get("default")
        text = f"{stars}{each['name']}{f': {annotation}' if annotation else ''}"
        words.append(f"{text} = {default}" if default and annotation else f"{text}={default}" if default else text)
    return f"{name}({', '.join(words)})"


def annotation_from(text: str) -> Any:
    """The type that an annotation's text names, as far as the standard library tells it; the rest is ``Any``."""
    try:
        return _type(ast.parse(text.strip(), mode="eval").body) if text.strip() else Any
    except (SyntaxError, TypeError, ValueError, LookupError, RecursionError):
        return Any


def _constant(text: str) -> Any:
    """The default as far as it matters here: None, or anything else."""
    return None if text == "None" else text


def _type(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        if node.value is None:
            return type(None)
        return annotation_from(node.value) if isinstance(node.value, str) else Any
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right])
    if isinstance(node, ast.Subscript):
        items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _generic(_name(node.value), items)
    return _CLASSES.get(_name(node), Any)


def _generic(name: str, items: list[ast.expr]) -> Any:
    if name == "Optional":
        return _union([items[0], ast.Constant(None)])
    if name == "Union":
        return _union(items)
    if name == "Annotated":
        return _type(items[0])
    if name == "Literal":
        return _literal(items)
    base = _CLASSES.get(name)
    if base is tuple and len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is Ellipsis:  # noqa: PLR2004  tuple[X, ...]
        return types.GenericAlias(tuple, (_type(items[0]), Ellipsis))
    return Any if base is None else types.GenericAlias(base, tuple(_type(item) for item in items))


def _union(items: list[ast.expr]) -> Any:
    members = [_type(item) for item in items]
    return Any if Any in members else typing.Union[tuple(members)]  # noqa: UP007  made of a list


def _literal(items: list[ast.expr]) -> Any:
    if not all(isinstance(item, (ast.Constant, ast.UnaryOp)) for item in items):
        return Any  # the members of an Enum
    return typing.Literal[tuple(ast.literal_eval(item) for item in items)]


def _name(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
