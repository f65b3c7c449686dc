"""Entry points: the functions of a source, read from its syntax tree; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from framework.errors import SourceError
from framework.models.function import EntryPoint, Parameter

Function = ast.FunctionDef | ast.AsyncFunctionDef

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Params):\s*$")
_OTHER = re.compile(r"^(Returns|Return|Raises|Yields|Example|Examples|Note|Notes|Source|Attributes):\s*$")
_ITEM = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_SPHINX = re.compile(r"^:param\s+(?:\S+\s+)?(\w+):\s*(.*)$")


def parse(source: str, *, name: str = "the source") -> ast.Module:
    """The syntax tree.

    Raises:
        SourceError: It does not parse; with the line and the place.
    """
    try:
        return ast.parse(source)
    except SyntaxError as error:
        line = (error.text or "").rstrip("\n")
        place = " " * max(0, (error.offset or 1) - 1)
        raise SourceError(
            f"{name}:{error.lineno}: {error.msg}\n    {line}\n    {place}^", advice="Mend the syntax."
        ) from None
    except ValueError as error:
        raise SourceError(f"{name} is no Python source: {error}", advice="Name a Python file.") from None


def entry_points(source: str, *, name: str = "the source") -> list[EntryPoint]:
    """The public functions at the top of a source, in order.

    Args:
        source: Python source text.
        name: What messages call it.

    Raises:
        SourceError: It does not parse.
    """
    found = {}
    for node in parse(source, name=name).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            found[node.name] = _entry_point(node)
    return list(found.values())


def _entry_point(node: Function) -> EntryPoint:
    doc = ast.get_docstring(node) or ""
    docs = parameter_docs(doc)
    parameters = list(_parameters(node.args))
    for parameter in parameters:
        parameter.doc = docs.get(parameter.name, "")
    return EntryPoint(
        name=node.name,
        doc=doc,
        parameters=parameters,
        returns=ast.unparse(node.returns) if node.returns else "",
        is_async=isinstance(node, ast.AsyncFunctionDef),
    )


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    lacking = len(positional) - len(arguments.defaults)
    for index, argument in enumerate(positional):
        default = arguments.defaults[index - lacking] if index >= lacking else None
        yield _parameter(argument, default, "positional")
    if arguments.vararg:
        yield Parameter(name=arguments.vararg.arg, annotation=_annotation(arguments.vararg), kind="var_positional")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        yield _parameter(argument, default, "keyword")
    if arguments.kwarg:
        yield Parameter(name=arguments.kwarg.arg, annotation=_annotation(arguments.kwarg), kind="var_keyword")


def _parameter(argument: ast.arg, default: ast.expr | None, kind: str) -> Parameter:
    return Parameter(
        name=argument.arg,
        annotation=_annotation(argument),
        default=ast.unparse(default) if default is not None else "",
        kind="keyword" if kind == "keyword" else "positional",
        required=default is None,
    )


def _annotation(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else ""


def parameter_docs(doc: str) -> dict[str, str]:
    """What a docstring says of each parameter: Google's form, or Sphinx's."""
    docs: dict[str, str] = {}
    inside, current, indent = False, "", 0
    for line in doc.splitlines():
        text = line.strip()
        sphinx = _SPHINX.match(text)
        if sphinx:
            docs[sphinx[1]] = sphinx[2]
        elif _SECTION.match(text):
            inside, current, indent = True, "", 0
        elif _OTHER.match(text):
            inside = False
        elif inside and text:
            depth = len(line) - len(line.lstrip())
            indent = indent or depth
            item = _ITEM.match(text) if depth <= indent else None
            if item:
                current = item[1]
                docs[current] = item[2]
            elif current:
                docs[current] += f" {text}"
    return docs
