"""The modules beside a file that it imports, directly or not: they belong to the same Function.

They are found by reading the import statements, those inside of functions included. What is imported by a name that
only the running program knows is not found, and neither are data files; a folder as the source has everything.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from framework.errors import SourceError
from framework.sources.syntax import parse, read_source


def is_installed(path: str) -> bool:
    """Whether a file is of the standard library or an installed distribution, and so is there without being sent."""
    place = Path(path).absolute()
    library = Path(os.__file__).parent
    return "site-packages" in place.parts or "dist-packages" in place.parts or place.is_relative_to(library)


def with_siblings(root: Path, file: str, tree: ast.Module) -> list[str]:
    """A file and what it imports of the folder, sorted.

    Args:
        root: The folder that is on the path when the file is imported.
        file: The file, relative to the root.
        tree: Its syntax tree.
    """
    found = {file, *_packages_of(root, file)}
    waiting = [(file, tree)]
    while waiting:
        importer, imported = waiting.pop()
        for name in imported_names(imported, importer):
            for path in _files_of(root, name):
                if path not in found:
                    found.add(path)
                    waiting += _parsed(root, path)
    return sorted(found)


def imported_names(tree: ast.Module, file: str) -> set[str]:
    """The dotted names that a file imports; ``from a import b`` may mean a module ``a.b``, so that is one.

    Args:
        tree: The file's syntax tree.
        file: Its path relative to the root, which relative imports start from.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, file)
            if base is not None:
                names.update(f"{base}.{alias.name}".strip(".") for alias in node.names)
    return names


def has_relative_imports(tree: ast.Module) -> bool:
    """Whether a file imports relative to its package, and so can be a module of that package only."""
    return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree))


def package_root(path: Path) -> Path:
    """The folder that must be on the path for a file to be the module that it is: above all its packages."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def module_name(file: str) -> str:
    """The dotted name of a module's file, relative to the folder on the path."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _absolute(node: ast.ImportFrom, file: str) -> str | None:
    """What an ``import from`` names, counted from the root; None where it leads out of it."""
    if not node.level:
        return node.module or ""
    package = file.split("/")[:-1]
    if node.level - 1 > len(package):
        return None
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _files_of(root: Path, name: str) -> Iterator[str]:
    """The files that importing a dotted name runs, as far as they lie in the root."""
    base = ""
    for part in name.split("."):
        base = f"{base}/{part}" if base else part
        if (root / base / "__init__.py").is_file():
            yield f"{base}/__init__.py"
        elif (root / f"{base}.py").is_file():
            yield f"{base}.py"
            return
        elif not (root / base).is_dir():
            return


def _packages_of(root: Path, file: str) -> list[str]:
    """The ``__init__.py`` of the packages that a file lies in."""
    parents = [parent.as_posix() for parent in Path(file).parents if parent.as_posix() != "."]
    return [f"{parent}/__init__.py" for parent in parents if (root / parent / "__init__.py").is_file()]


def _parsed(root: Path, path: str) -> list[tuple[str, ast.Module]]:
    try:
        return [(path, parse(read_source(root / path), name=path))]
    except SourceError:
        return []  # it is packed, and the run says what is wrong with it
