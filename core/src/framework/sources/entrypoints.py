"""Entry points: the functions of a source that can be handlers, read from its syntax tree; nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from framework.models.function import EntryPoint, Parameter
from framework.sources.docstrings import read
from framework.sources.syntax import parse, top_level

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def entry_points(source: str, *, name: str = "the source") -> list[EntryPoint]:
    """The public functions at the top of a source, in order.

    Args:
        source: Python source text.
        name: What messages call it.

    Raises:
        SourceError: It does not parse.
    """
    nodes = function_nodes(parse(source, name=name))
    return [entry_point(node, source) for node in nodes.values() if not node.name.startswith("_")]


def function_nodes(tree: ast.Module) -> dict[str, FunctionNode]:
    """The functions at the top of a module by name; of several with one name, as with ``@overload``, the last."""
    nodes = (node for node in top_level(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {node.name: node for node in nodes}


def entry_point(node: FunctionNode, source: str) -> EntryPoint:
    """One function as an entry point.

    Args:
        node: The function.
        source: The text that it was parsed from.
    """
    text = _Text(source)
    doc, docs = read(ast.get_docstring(node, clean=False) or "")
    parameters = list(_parameters(node.args, text))
    for parameter in parameters:
        parameter.doc = docs.get(parameter.name, "")
    return EntryPoint(
        name=node.name,
        doc=doc,
        parameters=parameters,
        returns=text.of(node.returns),
        is_async=isinstance(node, ast.AsyncFunctionDef),
    )


class _Text:
    """The text of expressions as it is written.

    Args:
        source: The text that they were parsed from.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines: list[bytes] | None = None

    def of(self, node: ast.expr | None) -> str:
        """The text of one expression, on one line; empty for none."""
        if node is None:
            return ""
        if node.lineno != node.end_lineno:
            return ast.unparse(node)
        if self._lines is None:
            self._lines = self._source.encode().split(b"\n")
        line = self._lines[node.lineno - 1]
        return line[node.col_offset : node.end_col_offset].decode()


def _parameters(arguments: ast.arguments, text: _Text) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    for index, argument in enumerate(positional):
        default = arguments.defaults[index - without] if index >= without else None
        yield Parameter(**_common(argument, text), default=text.of(default), required=default is None)
    if arguments.vararg:
        yield Parameter(**_common(arguments.vararg, text), kind="var_positional")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield Parameter(**_common(argument, text), default=text.of(default), kind="keyword", required=default is None)
    if arguments.kwarg:
        yield Parameter(**_common(arguments.kwarg, text), kind="var_keyword")


def _common(argument: ast.arg, text: _Text) -> dict[str, Any]:
    return {"name": argument.arg, "annotation": text.of(argument.annotation)}
