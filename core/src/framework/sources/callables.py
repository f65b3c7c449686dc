"""Functions from live function objects."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from framework.errors import SourceError
from framework.models import Function, FunctionMetadata, FunctionSpec
from framework.models.function import Code, FunctionStatus
from framework.sources.entrypoints import entry_points
from framework.sources.loaded import Loaded, digest
from framework.sources.paths import from_path, valid_name


def from_callable(function: Callable[..., Any], *, name: str | None = None, inline: bool = False) -> Loaded:
    """A Function from a live function object.

    One of an importable file is that file. One of ``__main__``, a notebook or a REPL is sent as its source, with the
    module names that it uses: imports, plain values, other functions and classes.

    Args:
        function: The function.
        name: What it is called; its own name unless told.
        inline: It runs in this process: then one without a source is known by its name alone.

    Raises:
        SourceError: It uses a name that cannot be sent, which is said; or it has no source.
    """
    function = inspect.unwrap(function)
    path = _file_of(function)
    qualified = getattr(function, "__qualname__", type(function).__name__)
    if path is not None and "<" not in qualified and "." not in qualified and not qualified.startswith("_"):
        return from_path(path, handler=qualified, name=name)
    try:
        return _from_source(function, name)
    except SourceError:
        if not inline:
            raise
        code = Code(type="callable", module=str(function.__module__), handler=qualified)
        metadata = FunctionMetadata(name=name or valid_name(qualified.rpartition(".")[2]))
        return Loaded(function=Function(metadata=metadata, spec=FunctionSpec(code=code)))


def _file_of(function: Callable[..., Any]) -> Path | None:
    """The file of the module that a function belongs to, where the function is a global of it."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    if module is None or file is None or not file.endswith(".py") or not Path(file).is_file():
        return None
    return Path(file)


def _from_source(function: Callable[..., Any], name: str | None) -> Loaded:
    handler = getattr(function, "__name__", "")
    if not handler.isidentifier():
        raise SourceError(f"{handler or function!r} has no name to call it by", advice="Use def instead of lambda.")
    if getattr(function, "__closure__", None):
        names = ", ".join(function.__code__.co_freevars)
        raise SourceError(
            f"{handler} uses {names} of the function around it, which cannot be sent",
            advice="Pass it as a parameter, or run it inline.",
        )
    text = _Collector(function).text()
    content = text.encode()
    code = Code(type="callable", files={"handler.py": digest(content)}, module="handler", handler=handler)
    metadata = FunctionMetadata(name=name or valid_name(handler))
    status = FunctionStatus(entry_points=entry_points(text))
    model = Function(metadata=metadata, spec=FunctionSpec(code=code), status=status)
    return Loaded(function=model, texts={"handler.py": content})


class _Collector:
    """Gathers the source of a function and of the module names that it uses."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._scope: dict[str, Any] = getattr(function, "__globals__", {})
        self._imports: list[str] = []
        self._values: list[str] = []
        self._definitions: list[str] = []
        self._seen: set[str] = set()

    def text(self) -> str:
        """The whole module."""
        self._define(self._function)
        parts = ["from __future__ import annotations", *sorted(set(self._imports)), *self._values, *self._definitions]
        return "\n\n".join(parts) + "\n"

    def _define(self, item: Any) -> None:
        self._seen.add(item.__name__)
        try:
            source = textwrap.dedent(inspect.getsource(item))
        except (OSError, TypeError):
            raise SourceError(f"{item.__name__} has no source", advice="Define it in a file.") from None
        tree = ast.parse(source).body[0]
        assert isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))  # noqa: S101  what getsource gives
        tree.decorator_list = []
        for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
            if name not in self._seen and name in self._scope and not hasattr(builtins, name):
                self._use(name, self._scope[name])
        self._definitions.append(ast.unparse(tree))

    def _use(self, name: str, value: Any) -> None:
        self._seen.add(name)
        if isinstance(value, ModuleType):
            self._imports.append(f"import {value.__name__} as {name}")
            return
        module = getattr(value, "__module__", None)
        own = module == getattr(self._function, "__module__", None)
        if own and (inspect.isfunction(value) or inspect.isclass(value)):
            self._define(inspect.unwrap(value) if inspect.isfunction(value) else value)
        elif module and hasattr(sys.modules.get(module), getattr(value, "__name__", "")):
            self._imports.append(f"from {module} import {value.__name__} as {name}")
        else:
            self._values.append(f"{name} = {self._literal(name, value)}")

    def _literal(self, name: str, value: Any) -> str:
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            user = getattr(self._function, "__name__", "")
            raise SourceError(
                f"{user} uses {name!r} of type {type(value).__name__}, which cannot be sent",
                advice="Pass it as a parameter, or make it inside of the function.",
            ) from None
        return repr(value)
