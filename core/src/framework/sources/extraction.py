"""A function of ``__main__``, a notebook or a REPL as a module of its own, with the names of its module that it uses.

Taken are imports (a module that is not installed is taken along), values that a literal can write, paths, loggers,
compiled regular expressions, and functions and classes of the same module with what they use in turn. Anything else is
refused by name: it would have to be pickled, and what it was made of would not be known.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from attrs import Factory, define, frozen

from framework.errors import SourceError
from framework.models.function import EntryPoint
from framework.sources import literals
from framework.sources.entrypoints import entry_point, function_nodes
from framework.sources.siblings import is_installed, package_root, with_siblings
from framework.sources.syntax import parse, read_source

_SHOWN = 8  # names in a message
_OURS = ("framework", "framework_run")  # every runner brings them


@frozen(kw_only=True)
class Extracted:
    """A function as a module of its own.

    Args:
        text: The module's source.
        entry: The function as an entry point.
        modules: The modules that are sent with it, by path.
    """

    text: str
    entry: EntryPoint
    modules: dict[str, bytes]


def extract(function: FunctionType) -> Extracted:
    """The function with what it uses.

    Args:
        function: A function defined by ``def``, without variables of a function around it.

    Raises:
        SourceError: Its source is not known, or it uses something that cannot be sent; the message has the names.
    """
    extraction = _Extraction(function)
    extraction.add(function.__name__, function)
    if extraction.refused:
        names = ", ".join(f"{name!r} ({kind})" for name, kind in list(extraction.refused.items())[:_SHOWN])
        raise SourceError(
            f"{function.__name__!r} uses {names}, which cannot be sent",
            advice="Make it inside of the function, make it a parameter, or run the function inline.",
        )
    text = extraction.text()
    entry = entry_point(function_nodes(parse(text))[function.__name__], text)
    return Extracted(text=text, entry=entry, modules=extraction.modules)


@define
class _Extraction:
    root: Any  # a function: with its type, a type checker takes the attribute for a method
    imports: set[str] = Factory(set)
    values: dict[str, str] = Factory(dict)
    definitions: dict[str, str] = Factory(dict)  # in an order in which each comes after what it needs
    refused: dict[str, str] = Factory(dict)
    modules: dict[str, bytes] = Factory(dict)
    _begun: set[str] = Factory(set)

    def add(self, name: str, item: Any) -> None:
        """Take a function or class, with all that it uses."""
        self._begun.add(name)
        source = self._source(item)
        for used, chains in _globals_of(source).items():
            if used not in self._begun:
                self._use(used, chains)
        self.definitions[name] = source

    def _source(self, item: Any) -> str:
        """The text of a definition as it is written, without decorators of this framework: the runner needs none."""
        source, node = _definition(item)
        lines = source.splitlines()[: node.end_lineno]
        for decorator in reversed(node.decorator_list):
            if self._is_ours(decorator):
                del lines[decorator.lineno - 1 : decorator.end_lineno]
        return "\n".join(lines)

    def text(self) -> str:
        """The module."""
        future = ["from __future__ import annotations"] if _has_future_annotations(self.root) else []
        values = [f"{name} = {value}" for name, value in sorted(self.values.items())]
        parts = ["\n".join([*future, *sorted(self.imports), *values]), *self.definitions.values()]
        return "\n\n\n".join(part for part in parts if part) + "\n"

    def _use(self, name: str, chains: set[str]) -> None:
        scope = self.root.__globals__
        if name not in scope:
            return  # a builtin, or a name that is not there: then the run says so, as the call would
        self._begun.add(name)
        value = scope[name]
        if isinstance(value, ModuleType):
            self._import_module(name, value, chains)
        elif self._is_own(value):
            self.add(value.__name__, value)
            if value.__name__ != name:
                self.definitions[name] = f"{name} = {value.__name__}"
        elif (origin := _origin(name, value)) is not None:
            module, attribute = origin
            self.imports.add(f"from {module} import {attribute}" + (f" as {name}" if attribute != name else ""))
            self._take_along(sys.modules[module])
        elif (made := literals.write(value)) is not None:
            self.values[name] = made.text
            self.imports |= made.imports
        else:
            self.refused[name] = type(value).__name__

    def _import_module(self, name: str, module: ModuleType, chains: set[str]) -> None:
        full = module.__name__
        if full != name:
            self.imports.add(f"import {full} as {name}")
        else:
            submodules = [chain for chain in chains if isinstance(sys.modules.get(chain), ModuleType)]
            self.imports |= {f"import {chain}" for chain in submodules or [full]}
        self._take_along(module)

    def _take_along(self, module: ModuleType) -> None:
        """Send a module that is not installed, and what it imports of its own folder."""
        file = getattr(module, "__file__", None)
        if not file or not file.endswith(".py") or is_installed(file) or module.__name__.split(".")[0] in _OURS:
            return
        path = Path(file)
        root = package_root(path)
        relative = path.relative_to(root).as_posix()
        for found in with_siblings(root, relative, parse(read_source(path), name=relative)):
            self.modules[found] = (root / found).read_bytes()

    def _is_own(self, value: Any) -> bool:
        """Whether it is a function or class that was defined in the same module."""
        is_definition = isinstance(value, type) or inspect.isfunction(
            inspect.unwrap(value) if callable(value) else None
        )
        return is_definition and getattr(value, "__module__", None) == self.root.__module__

    def _is_ours(self, decorator: ast.expr) -> bool:
        """Whether it is a decorator of this framework."""
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        names = ast.unparse(target).split(".")
        value: Any = self.root.__globals__.get(names[0])
        for name in names[1:]:
            value = getattr(value, name, None)
        return (getattr(value, "__module__", None) or "").split(".")[0] in _OURS


def _definition(item: Any) -> tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    name = item.__name__
    try:
        source = textwrap.dedent(inspect.getsource(item))
    except (OSError, TypeError):
        raise SourceError(
            f"the source of {name!r} is not known: it was typed at a prompt",
            advice="Put it into a file or a notebook, or run it inline.",
        ) from None
    node = parse(source, name=name).body[0]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        raise SourceError(f"{name!r} is not defined by def or class", advice="Define it so, or run it inline.")
    return source, node


def _globals_of(source: str) -> dict[str, set[str]]:
    """The names that a definition takes from its module, each with the dotted names that it begins."""
    names = sorted(set(_free(symtable.symtable(source, "<definition>", "exec"), is_module=True)))
    chains: dict[str, set[str]] = {name: set() for name in names}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            text = _dotted(node)
            head = text.partition(".")[0]
            if head in chains:
                chains[head].add(text)
    return chains


def _free(table: symtable.SymbolTable, *, is_module: bool) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or is_module) and not (is_module and symbol.is_assigned()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _free(child, is_module=False)


def _dotted(node: ast.Attribute) -> str:
    parts = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    return ".".join([value.id, *reversed(parts)]) if isinstance(value, ast.Name) else ""


def _origin(name: str, value: Any) -> tuple[str, str] | None:
    """The module and the name that a value can be imported from."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module in {"__main__", "__mp_main__", builtins.__name__}:
        return None
    names = (
        name,
        getattr(value, "__qualname__", None),
        getattr(value, "__name__", None),
        getattr(value, "_name", None),
    )
    for attribute in names:
        if (
            isinstance(attribute, str)
            and attribute.isidentifier()
            and getattr(sys.modules.get(module), attribute, None) is value
        ):
            return module, attribute
    return None


def _has_future_annotations(function: FunctionType) -> bool:
    import __future__

    return bool(function.__code__.co_flags & __future__.annotations.compiler_flag)
