"""Source text and its syntax tree; nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from framework.errors import SourceError

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=]", re.MULTILINE)


def read_source(path: Path) -> str:
    """The text of a Python file, in the encoding that it declares (PEP 263).

    Raises:
        SourceError: It cannot be read, or is not in that encoding.
    """
    try:
        return decode_source(path.read_bytes())
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be read: {error.strerror}", advice="Check the file.") from None
    except (UnicodeDecodeError, SyntaxError) as error:
        raise SourceError(
            f"{str(path)!r} is no Python source: {error}", advice="Save it as UTF-8, or declare its encoding (PEP 263)."
        ) from None


def decode_source(content: bytes) -> str:
    """The text of a source's bytes."""
    if content[:3] != b"\xef\xbb\xbf" and not _COOKIE.search(b"\n".join(content.split(b"\n", 2)[:2])):
        return content.decode("utf-8")
    from importlib.util import decode_source as decode  # slower: it brings the tokenizer

    return decode(content)


def parse(source: str, *, name: str = "the source") -> ast.Module:
    """The syntax tree.

    Args:
        source: Python source text.
        name: What messages call it.

    Raises:
        SourceError: It does not parse; with file:line:column, the line, and a caret under the place.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as an invalid escape: it is said when the code is run
            return ast.parse(source)
    except SyntaxError as error:
        raise _syntax_error(error, source, name) from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deeply
        raise SourceError(f"{name} is no Python source: {error or type(error).__name__}") from None


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, and those in its ``if``, ``try`` and ``with``; not those that a script alone runs."""
    yield from _flat(tree.body)


def is_main_guard(node: ast.stmt) -> bool:
    """Whether a statement is ``if __name__ == "__main__":``."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    sides = {ast.dump(side) for side in (node.test.left, *node.test.comparators)}
    return ast.dump(ast.Name("__name__", ast.Load())) in sides


def _flat(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in statements:
        yield node
        if not is_main_guard(node) and isinstance(node, (ast.If, ast.Try, ast.With)):
            for part in ("body", "orelse", "finalbody"):
                yield from _flat(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _flat(handler.body)


def _syntax_error(error: SyntaxError, source: str, name: str) -> SourceError:
    lines = source.splitlines()
    number = error.lineno or 1
    line = lines[number - 1] if number <= len(lines) else ""
    column = max(error.offset or 1, 1)
    start = max(0, column - 60)  # of a long line, what is around the place
    shown = line[start : start + 100].expandtabs(1)
    return SourceError(
        f"{name}:{number}:{column}: {error.msg}\n  {shown}\n  {' ' * (column - 1 - start)}^", advice="Mend the syntax."
    )
