"""Functions from files, folders and commands."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from framework.errors import SourceError
from framework.models import Function, FunctionMetadata, FunctionSpec
from framework.models.function import Code, EntryPoint, Environment, FunctionStatus
from framework.sources.entrypoints import entry_points
from framework.sources.loaded import Loaded, digest
from framework.sources.scripts import script_metadata
from framework.sources.trees import tree

_DEFAULTS = ("main", "handler")


def from_path(
    target: str | os.PathLike[str],
    *,
    handler: str | None = None,
    name: str | None = None,
    command_args: Iterable[str] | None = None,
) -> Loaded:
    """A Function from ``file.py``, ``file.py:handler``, a folder, or ``folder:module.handler``.

    A file is packed with the modules beside it that it imports, and nothing else of its folder. A folder is packed by content.

    Args:
        target: The path, with the handler behind a colon or not.
        handler: The handler, where the target does not name it.
        name: What the function is called; the handler's or the file's name unless told.
        command_args: Arguments of a script: then the file is run as one.

    Raises:
        SourceError: There is no such file or handler, it does not parse, or which function is meant cannot be told.
    """
    path, found = _split(os.fspath(target))
    handler = handler or found
    if path.is_dir():
        return _folder(path, handler, name)
    if not path.is_file():
        raise SourceError(f"there is no file {str(path)!r}", advice=_nearby(path))
    if path.suffix != ".py":
        raise SourceError(f"{str(path)!r} is no Python file", advice="Name a .py file, or a command behind --.")
    return _file(path, handler, name, None if command_args is None else list(command_args))


def from_command(words: list[str], *, name: str | None = None) -> Loaded:
    """A Function that is a command with its arguments."""
    if not words:
        raise SourceError("the command is empty", advice="Write it behind --.")
    code = Code(type="command", command=list(words))
    metadata = FunctionMetadata(name=name or valid_name(Path(words[0]).stem))
    return Loaded(function=Function(metadata=metadata, spec=FunctionSpec(code=code)))


def valid_name(text: str) -> str:
    """A name as URIs can have it, from any text."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "function"


def _split(target: str) -> tuple[Path, str]:
    path = Path(target)
    if path.exists():
        return path.absolute(), ""
    head, colon, tail = target.rpartition(":")
    if colon and head and "/" not in tail and "\\" not in tail:
        return Path(head).absolute(), tail
    return path.absolute(), ""


def _file(path: Path, handler: str | None, name: str | None, words: list[str] | None) -> Loaded:
    source = _text(path)
    points = entry_points(source, name=path.name)
    requirements, python = script_metadata(source, name=path.name)
    files = {found.relative_to(path.parent).as_posix(): digest(found.read_bytes()) for found in _with_imported(path, source)}
    code = Code(type="file", path=str(path), files=files, module=path.stem)
    if words is not None or (not handler and _is_script(source, points)):
        code.command = ["{python}", "{code}/" + path.name, *(words or [])]
    else:
        code.handler = choose(handler, points, path.name)
    function = Function(
        metadata=FunctionMetadata(name=name or valid_name(code.handler.rpartition(".")[2] or path.stem)),
        spec=FunctionSpec(code=code, environment=Environment(requirements=requirements, python=python)),
        status=FunctionStatus(entry_points=points),
    )
    chosen = next((point for point in points if point.name == code.handler), None)
    if chosen is not None:
        function.metadata.description = chosen.doc.partition("\n")[0]
    return Loaded(function=function, root=path.parent)


def choose(handler: str | None, points: list[EntryPoint], where: str) -> str:
    """The handler that is meant: the one named, the only one, or ``main`` or ``handler``.

    Raises:
        SourceError: It is not there, or cannot be told.
    """
    names = [point.name for point in points]
    if handler:
        if handler in names or "." in handler or handler.startswith("_"):
            return handler
        close = difflib.get_close_matches(handler, names, 1)
        advice = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(names) or 'no function'}."
        raise SourceError(f"{where} has no function {handler!r}", advice=advice)
    if len(names) == 1:
        return names[0]
    for usual in _DEFAULTS:
        if usual in names:
            return usual
    raise SourceError(
        f"{where} has {len(names)} functions; which is meant?",
        advice=f"Name one: {where}:{names[0]} (there are {', '.join(names)})" if names else f"Define one in {where}.",
    )


def _is_script(source: str, points: list[EntryPoint]) -> bool:
    """Whether a file is meant to be run as it is: it has no function of its own, or ends in ``if __name__ == "__main__"``."""
    if not points:
        return True
    return any(
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) and "__main__" in ast.unparse(node.test)
        for node in ast.parse(source).body
    ) and not any(point.name in _DEFAULTS or len(points) == 1 for point in points)


def _with_imported(path: Path, source: str) -> list[Path]:
    """The file, and the modules and packages beside it that it imports, directly or not."""
    found = {path}
    waiting = [source]
    while waiting:
        for name in _imports(waiting.pop()):
            for place in _beside(path.parent, name):
                if place not in found:
                    found.add(place)
                    waiting.append(_text(place))
    return sorted(found)


def _imports(source: str) -> set[str]:
    names = set()
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return names
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _beside(folder: Path, name: str) -> list[Path]:
    module, package = folder / f"{name}.py", folder / name
    if module.is_file():
        return [module]
    if (package / "__init__.py").is_file():
        return sorted(package.rglob("*.py"))
    return []


def _folder(path: Path, handler: str | None, name: str | None) -> Loaded:
    if not handler:
        raise SourceError(
            f"which function of the folder {path.name!r} is meant?", advice=f"Name it: {path.name}:module.function"
        )
    module, _, function = handler.replace(":", ".").rpartition(".")
    place = path.joinpath(*module.split(".")) if module else path / "__init__.py"
    file = next((found for found in (place.with_suffix(".py"), place / "__init__.py") if found.is_file()), None)
    if not module or file is None:
        raise SourceError(f"the folder {path.name!r} has no module {module!r}", advice="Write folder:module.function.")
    points = entry_points(_text(file), name=str(file.relative_to(path)))
    chosen = choose(function, points, str(file.relative_to(path)))
    code = Code(type="folder", path=str(path), files=tree(path), module=module, handler=chosen)
    metadata = FunctionMetadata(name=name or valid_name(function))
    spec = FunctionSpec(code=code)
    return Loaded(function=Function(metadata=metadata, spec=spec, status=FunctionStatus(entry_points=points)), root=path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{str(path)!r} cannot be read: {reason}", advice="Name a Python file in UTF-8.") from None


def _nearby(path: Path) -> str:
    try:
        names = [found.name for found in path.parent.iterdir() if found.suffix == ".py"]
    except OSError:
        return f"There is no folder {str(path.parent)!r}."
    close = difflib.get_close_matches(path.name, names, 1)
    return f"Did you mean {close[0]!r}?" if close else "Check the path."


