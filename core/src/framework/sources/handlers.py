"""Which function of a file is meant."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator

from framework.errors import SourceError
from framework.models.function import EntryPoint
from framework.sources.entrypoints import entry_point, function_nodes
from framework.sources.syntax import is_main_guard, top_level

USUAL = ("main", "handler")
_SHOWN = 8  # candidates in a message


def choose(points: Iterable[EntryPoint]) -> str:
    """The function that is meant where nobody says: the only one, ``main``, or ``handler``; empty where it is open."""
    names = [point.name for point in points]
    if len(names) == 1:
        return names[0]
    return next((name for name in USUAL if name in names), "")


def points_with(tree: ast.Module, source: str, handler: str, *, where: str) -> list[EntryPoint]:
    """The public functions of a file, and the one that is named, which may be private.

    Args:
        tree: The file's syntax tree.
        source: Its text.
        handler: The name; empty for none. One that is bound in another way than by ``def``, such as by an import or an
            assignment, or an attribute of a class, is accepted; it has no entry point.
        where: The file, for messages.

    Raises:
        SourceError: The file has nothing of that name; the nearest one is shown.
    """
    nodes = function_nodes(tree)
    points = [entry_point(node, source) for name, node in nodes.items() if not name.startswith("_") or name == handler]
    if handler and handler not in nodes and not _is_bound(tree, handler):
        raise _missing(handler, list(nodes), where)
    return points


def undecided(points: Iterable[EntryPoint], where: str) -> SourceError:
    """The error where it cannot be told which function is meant.

    Args:
        points: The functions.
        where: The file, for messages.
    """
    names = [point.name for point in points]
    if not names:
        return SourceError(f"{where} has no function", advice="Define one, or run it as a script.")
    return SourceError(
        f"{where} has {len(names)} functions, and it is not said which one is meant: {_listed(names)}",
        advice=f"Name it: {where}:{names[0]}",
    )


def is_script(tree: ast.Module) -> bool:
    """Whether a file has ``if __name__ == "__main__":``."""
    return any(map(is_main_guard, tree.body))


def _missing(handler: str, names: list[str], where: str) -> SourceError:
    close = difflib.get_close_matches(handler, names, 1)
    if close:
        advice = f"Did you mean {where}:{close[0]}?"
    else:
        public = [name for name in names if not name.startswith("_")]
        advice = f"It has {_listed(public)}." if public else "It has no function."
    return SourceError(f"{where} has no function {handler!r}", advice=advice)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _is_bound(tree: ast.Module, handler: str) -> bool:
    """Whether a module binds a dotted name's head, and, where that is a class, the class its next part."""
    head, _, rest = handler.partition(".")
    for node in top_level(tree):
        if isinstance(node, ast.ClassDef) and node.name == head:
            names = {name for part in node.body for name in _bindings(part)}
            return not rest or bool(node.bases) or rest.partition(".")[0] in names
        if head in _bindings(node) or "*" in _bindings(node):
            return True
    return False


def _bindings(node: ast.stmt) -> set[str]:
    """The names that a statement binds."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return set(_targets(node))


def _targets(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        if target is not None:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
