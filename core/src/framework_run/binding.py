"""Parameters and inputs become the arguments of a handler, or are refused with its signature shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from framework_run.convert import ConversionError, convert


class BindingError(Exception):
    """Parameters that do not bind.

    Args:
        message: Which, and why.
        signature: The handler's signature as text.
    """

    def __init__(self, message: str, signature: str) -> None:
        super().__init__(f"{message}; the signature is {signature}" if signature else message)
        self.signature = signature


def bind(
    function: Callable[..., Any],
    params: Mapping[str, Any],
    raw: Collection[str] = (),
    inputs: Mapping[str, Any] | None = None,
    context: Any = None,
) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments for a call.

    Args:
        function: The handler.
        params: Values by parameter name.
        raw: Names of those that are text from a command line.
        inputs: Local paths by parameter name.
        context: What a parameter called ``context`` or annotated ``Context`` gets.

    Raises:
        BindingError: A parameter is unknown, missing, or not what its annotation says.
    """
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return [], {**params, **(inputs or {})}
    text = f"{getattr(function, '__name__', 'handler')}{signature}"
    hints = _hints(function)
    values = {**params, **(inputs or {})}
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    open_ended = False
    for name, parameter in signature.parameters.items():
        annotation = hints.get(name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [_value(name, item, Any, text, raw=name in raw) for item in values.pop(name, ())]
        elif parameter.kind is parameter.VAR_KEYWORD:
            open_ended = True
        elif _is_context(name, annotation) and name not in values:
            keywords[name] = context
        elif name in values:
            value = values.pop(name)
            if inputs and name in inputs:
                converted = _input(name, value, annotation, text)
            else:
                converted = _value(name, value, annotation, text, raw=name in raw)
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(converted)
            else:
                keywords[name] = converted
        elif parameter.default is parameter.empty:
            raise BindingError(f"the parameter {name!r} is missing", text)
    if values and not open_ended:
        raise _unknown(next(iter(values)), signature.parameters, text)
    keywords.update({name: _value(name, value, Any, text, raw=name in raw) for name, value in values.items()})
    return positional, keywords


def check(parameters: Iterable[Mapping[str, Any]], params: Mapping[str, Any], raw: Collection[str], name: str) -> None:
    """Check parameters against a signature as read from the code, without running it.

    Args:
        parameters: name, annotation, default, kind, required of each.
        params: Values by name.
        raw: Names of those that are text.
        name: What the handler is called.

    Raises:
        BindingError: As `bind`; an annotation that cannot be told from the text alone passes.
    """
    known = {item["name"]: item for item in parameters}
    text = f"{name}({', '.join(_shown(item) for item in known.values())})"
    open_ended = any(item["kind"] == "var_keyword" for item in known.values())
    for key, value in params.items():
        item = known.get(key)
        if item is None or item["kind"] == "var_keyword":
            if open_ended:
                continue
            raise _unknown(key, known, text)
        if item["kind"] != "var_positional":
            _value(key, value, static_annotation(item["annotation"]), text, raw=key in raw)
    for key, item in known.items():
        if item["required"] and key not in params and not _is_context(key, item["annotation"]):
            raise BindingError(f"the parameter {key!r} is missing", text)


def static_annotation(text: str) -> Any:
    """The type that an annotation's text names, where builtins and typing alone tell it; else Any."""
    import ast

    try:
        tree = ast.parse(text.strip().strip("\"'") or "Any", mode="eval")
        return _resolve(tree.body)
    except (SyntaxError, LookupError, TypeError, ValueError):
        return Any


def _resolve(node: Any) -> Any:
    """A small reading of annotations; no eval."""
    import ast
    import functools
    import operator
    import typing

    if isinstance(node, ast.Constant):
        return type(None) if node.value is None else _resolve(ast.parse(str(node.value), mode="eval").body)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return typing.Union[_resolve(node.left), _resolve(node.right)]
    if isinstance(node, ast.Subscript):
        base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if base == "Literal":
            return typing.Literal[tuple(ast.literal_eval(item) for item in items)]
        if base == "Optional":
            return typing.Optional[_resolve(items[0])]
        if base == "Union":
            return functools.reduce(operator.or_, [typing.Optional[_resolve(item)] for item in items])
        inner = [Ellipsis if getattr(item, "value", None) is Ellipsis else _resolve(item) for item in items]
        return _KNOWN[base.lower()][tuple(inner)]
    name = node.attr if isinstance(node, ast.Attribute) else node.id
    return _KNOWN.get(name, Any)


_KNOWN: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list": list,
    "dict": dict,
    "set": set,
    "frozenset": frozenset,
    "tuple": tuple,
    "None": type(None),
}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    import inspect
    import typing

    target = inspect.unwrap(function)
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # noqa: BLE001  a name that only a type checker sees: those that resolve alone are taken
        found = {}
        for name, annotation in getattr(target, "__annotations__", {}).items():
            try:
                holder = type("Holder", (), {"__annotations__": {name: annotation}})
                scope = getattr(target, "__globals__", {})
                found[name] = typing.get_type_hints(holder, globalns=scope, include_extras=True)[name]
            except Exception:  # noqa: BLE001  as above
                found[name] = Any
        return found


def _value(name: str, value: Any, annotation: Any, text: str, *, raw: bool) -> Any:
    try:
        return convert(value, annotation, raw=raw)
    except ConversionError as error:
        raise BindingError(f"the parameter {name!r} is wrong: {error}", text) from None


def _input(name: str, path: Any, annotation: Any, text: str) -> Any:
    """An input as its annotation wants it: a path, text of a path, or the table in the file."""
    if getattr(annotation, "__name__", "") == "DataFrame":
        import pandas as pd

        readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": pd.read_json}
        suffix = str(path).rpartition(".")[2].lower()
        if suffix not in readers:
            raise BindingError(f"the input {name!r} is {path!r}: no csv, parquet or json file", text)
        return readers[suffix](path)
    return _value(name, str(path), annotation, text, raw=False)


def _is_context(name: str, annotation: Any) -> bool:
    shown = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return name == "context" or shown.rpartition(".")[2] == "Context"


def _unknown(name: str, known: Mapping[str, Any], text: str) -> BindingError:
    import difflib

    close = difflib.get_close_matches(name, list(known), 1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return BindingError(f"there is no parameter {name!r}{hint}", text)


def _shown(item: Mapping[str, Any]) -> str:
    stars = {"var_positional": "*", "var_keyword": "**"}.get(item["kind"], "")
    text = stars + item["name"] + (f": {item['annotation']}" if item["annotation"] else "")
    return f"{text} = {item['default']}" if item["default"] else text
