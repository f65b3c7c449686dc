"""Functions that are commands."""

from __future__ import annotations

from pathlib import Path

from framework.errors import SourceError
from framework.models import Function, FunctionMetadata, FunctionSpec
from framework.models.function import Code
from framework.sources.loaded import Loaded, digest, valid_name
from framework.sources.siblings import with_siblings
from framework.sources.syntax import parse, read_source


def from_command(words: list[str], *, name: str | None = None) -> Loaded:
    """A Function that is a command.

    The program, or the first argument of an interpreter (``bash train.sh``, ``python train.py``), belongs to the code
    where it is a file in the working folder; of a Python file, the modules beside it that it imports do, too. What is
    behind the file is arguments of the run. Where there is no such file, all words are the command: of ``python -c``
    and the like they are the code itself.

    Args:
        words: The program and its arguments.
        name: What the Function is called; after the file or the program unless told.

    Raises:
        SourceError: There is no word, or the Python file does not parse.
    """
    if not words or not words[0]:
        raise SourceError("the command is empty", advice="Write it behind --: framework run -- COMMAND")
    folder = Path.cwd()
    index = _program(words, folder)
    if index is None:
        code = Code(type="command", command=list(words))
        return Loaded(function=_function(code, name or Path(words[0]).name))
    file = (folder / words[index]).absolute().relative_to(folder).as_posix()
    command = [*words[:index], f"{{code}}/{file}"]
    code = Code(type="command", path=str(folder / file), files=_files(folder, file), command=command)
    return Loaded(function=_function(code, name or Path(file).stem), root=folder, args=words[index + 1 :])


def _program(words: list[str], folder: Path) -> int | None:
    """Which word is a file of the folder: the program, or the first argument that is no option."""
    first = next((index for index, word in enumerate(words) if index and not word.startswith("-")), None)
    for index in (0, first):
        if index is None:
            continue
        path = folder / words[index]
        # A program without a slash is one on PATH, whatever lies in the folder.
        if path.is_file() and path.absolute().is_relative_to(folder) and (index or "/" in words[0]):
            return index
    return None


def _files(folder: Path, file: str) -> dict[str, str]:
    names = [file]
    if file.endswith(".py"):
        root = (folder / file).parent
        tree = parse(read_source(folder / file), name=file)
        prefix = root.relative_to(folder).as_posix()
        found = with_siblings(root, Path(file).name, tree)
        names = [name if prefix == "." else f"{prefix}/{name}" for name in found]
    try:
        return {name: digest((folder / name).read_bytes()) for name in names}
    except OSError as error:
        raise SourceError(f"{error.filename!r} cannot be read: {error.strerror}", advice="Check the file.") from None


def _function(code: Code, name: str) -> Function:
    return Function(metadata=FunctionMetadata(name=valid_name(name)), spec=FunctionSpec(code=code))
