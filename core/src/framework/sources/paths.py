"""Functions from files and folders."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from framework.errors import SourceError
from framework.models import Function, FunctionMetadata, FunctionSpec
from framework.models.function import Code, EntryPoint, Environment, FunctionStatus
from framework.sources.handlers import USUAL, choose, is_script, points_with, undecided
from framework.sources.loaded import Loaded, digest, valid_name
from framework.sources.scripts import script_metadata
from framework.sources.siblings import has_relative_imports, module_name, package_root, with_siblings
from framework.sources.syntax import parse, read_source
from framework.sources.trees import tree


def from_path(
    target: str | os.PathLike[str],
    *,
    handler: str | None = None,
    name: str | None = None,
    command_args: Iterable[str] | None = None,
) -> Loaded:
    """A Function from ``file.py``, ``file.py:handler``, a folder, or ``folder:module.handler``.

    The handler is the one that is named; else the file's only public function; else its ``main`` or ``handler``. A file
    that leaves it open, and has ``if __name__ == "__main__":`` or no public function, is a script, and so is one with
    ``command_args``.

    A file takes along the modules beside it that it imports (`framework.sources.siblings`), and nothing else of its
    folder. One with relative imports is a module of its package. A folder is taken whole
    (`framework.sources.trees`).

    Args:
        target: The path, with the handler behind a colon or not.
        handler: The handler, where the target does not name it; ``module.handler`` or ``module:handler`` of a folder.
        name: What the Function is called; unless told, after its handler, or after its file where it is a script or the
            handler's name says nothing.
        command_args: Arguments of a script.

    Raises:
        SourceError: There is no such file or handler, it does not parse, or it cannot be told which function is meant.
    """
    path, named = split_target(os.fspath(target))
    if handler and named and handler != named:
        raise SourceError(f"the handler is {named!r} and {handler!r} at once", advice="Name it once.")
    handler = handler or named
    words = None if command_args is None else list(command_args)
    if path.is_dir():
        loaded = _folder(path, handler)
    elif path.suffix == ".py":
        loaded = load_file(path, handler, words)
    else:
        raise SourceError(f"{str(path)!r} is no Python file", advice=_advice(os.fspath(target), path))
    if name is not None:
        loaded.function.metadata.name = name
    return loaded.take(words or ())


def _advice(target: str, path: Path) -> str:
    """What to do with a file that is none of Python."""
    if path.suffix in (".yaml", ".yml"):
        return f"Keep it first, and run it by its name: framework function import {target}"
    return f"Run it as a command: framework run -- {target}"


def split_target(target: str) -> tuple[Path, str]:
    """The path, which exists, and the handler behind the colon, or ``""``.

    Raises:
        SourceError: There is no such file or folder.
    """
    path = Path(target)
    if path.exists():
        return path.absolute(), ""
    position = target.rfind(":")
    while position > 0:
        path = Path(target[:position])
        if path.exists():
            return path.absolute(), target[position + 1 :]
        position = target.rfind(":", 0, position)
    head, _, _ = target.partition(":")
    raise SourceError(f"there is no file or folder {head!r}", advice=_nearby(Path(head)))


def load_file(path: Path, handler: str, words: list[str] | None = None, *, root: Path | None = None) -> Loaded:
    """A Function from a Python file.

    Args:
        path: The file.
        handler: The function; empty where it is not said.
        words: Arguments of a script; None where it is not said to be one.
        root: The folder that is on the path when the file is imported; its own, or that of its package, unless told.

    Raises:
        SourceError: As `from_path`.
    """
    source = read_source(path)
    tree_ = parse(source, name=path.name)
    points = points_with(tree_, source, handler, where=path.name)
    if not handler and words is None:
        handler = choose(points)
        if not handler and points and not is_script(tree_):
            raise undecided(points, path.name)
    root = root or (package_root(path) if has_relative_imports(tree_) else path.parent)
    file = path.relative_to(root).as_posix()
    files = {found: _digest_of(root, found) for found in with_siblings(root, file, tree_)}
    code = Code(type="file", path=str(path), files=files)
    if handler:
        code.module, code.handler = module_name(file), handler
    else:
        code.command = ["{python}", f"{{code}}/{file}"]
    return _loaded(code, points, source, root, handler)


def _folder(path: Path, handler: str) -> Loaded:
    if not handler:
        raise SourceError(
            f"it is not said which function of the folder {path.name!r} is meant",
            advice=f"Name it: {path.name}:{_example(path)}",
        )
    file, name = _module_in(path, handler)
    source = read_source(path / file)
    points = points_with(parse(source, name=file), source, name, where=f"{path.name}/{file}")
    code = Code(type="folder", path=str(path), files=tree(path), module=module_name(file), handler=name)
    if file not in code.files:
        raise SourceError(f"{file!r} is ignored by .gitignore", advice="Take the rule out, or name another module.")
    return _loaded(code, points, source, path, name)


def _loaded(code: Code, points: list[EntryPoint], source: str, root: Path, handler: str) -> Loaded:
    path = Path(code.path)
    requirements, python = script_metadata(source, name=path.name)
    chosen = next((point for point in points if point.name == handler), None)
    own_name = "" if handler in USUAL else handler.rpartition(".")[2]
    metadata = FunctionMetadata(
        name=valid_name(own_name or path.stem),
        description=chosen.doc.partition("\n")[0] if chosen is not None else "",
    )
    spec = FunctionSpec(code=code, environment=Environment(requirements=requirements, python=python))
    function = Function(metadata=metadata, spec=spec, status=FunctionStatus(entry_points=points))
    return Loaded(function=function, root=root)


def _digest_of(root: Path, file: str) -> str:
    try:
        return digest((root / file).read_bytes())
    except OSError as error:
        raise SourceError(f"{str(root / file)!r} cannot be read: {error.strerror}", advice="Check the file.") from None


def _module_in(folder: Path, handler: str) -> tuple[str, str]:
    """The file of a handler's module, and its name in it: of ``a.b.c``, the longest beginning that is a module."""
    if ":" in handler:
        module, _, name = handler.partition(":")
        splits = [(module, name)]
    else:
        parts = handler.split(".")
        splits = [(".".join(parts[:count]), ".".join(parts[count:])) for count in range(len(parts) - 1, 0, -1)]
    for module, name in splits:
        base = module.replace(".", "/")
        for file in (f"{base}.py", f"{base}/__init__.py"):
            if name and (folder / file).is_file():
                return file, name
    module = splits[0][0] if splits else handler
    names = [module_name(path.relative_to(folder).as_posix()) for path in sorted(folder.glob("*.py"))]
    close = difflib.get_close_matches(module, names, 1)
    advice = f"Did you mean {close[0]!r}?" if close else f"Write it as {folder.name}:module.function."
    raise SourceError(f"the folder {folder.name!r} has no module for {handler!r}", advice=advice)


def _example(folder: Path) -> str:
    """A function of the folder, to show how one is named."""
    for path in sorted(folder.glob("*.py")):
        try:
            source = read_source(path)
            points = points_with(parse(source, name=path.name), source, "", where=path.name)
        except SourceError:
            continue
        if points:
            return f"{path.stem}.{choose(points) or points[0].name}"
    return "module.function"


def _nearby(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == ".py" or entry.is_dir()]
    except OSError:
        return f"There is no folder {str(path.parent)!r}."
    close = difflib.get_close_matches(path.name, names, 1)
    return f"Did you mean {str(path.parent / close[0])!r}?" if close else "Check the path."
