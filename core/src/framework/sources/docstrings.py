"""What a docstring says: its text, and what it says of each parameter.

Three styles are read: Google's (``Args:``), numpy's (``Parameters``, underlined) and Sphinx's (``:param name:``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import Final

_PARAMETERS: Final = {
    "args",
    "arguments",
    "parameters",
    "params",
    "keyword args",
    "keyword arguments",
    "other parameters",
}
_OTHERS: Final = {
    "attributes",
    "example",
    "examples",
    "note",
    "notes",
    "raises",
    "references",
    "return",
    "returns",
    "see also",
    "warning",
    "warnings",
    "yield",
    "yields",
}
_GOOGLE_ITEM: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:(?:\s+(.*))?$")
_NUMPY_ITEM: Final = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_SPHINX_ITEM: Final = re.compile(
    r":(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*?\s)?\*{0,2}(\w+)\s*:\s*(.*)$"
)
_SPHINX_FIELD: Final = re.compile(r":\w+(?:\s[^:]*)?:")

Section = tuple[str, bool, list[str]]  # title in lower case, whether numpy's, its lines


def read(docstring: str) -> tuple[str, dict[str, str]]:
    """The text before the sections, and what is said of each parameter.

    Args:
        docstring: The docstring as it stands in the code.

    Returns:
        The text, and the parameters' texts by name, each on one line.
    """
    first, *sections = _sections(cleandoc(docstring).splitlines())
    text, docs = _sphinx(first[2])
    for title, is_numpy, lines in sections:
        if title in _PARAMETERS:
            docs.update(_numpy(lines) if is_numpy else _google(lines))
        else:
            docs.update(_sphinx(lines)[1])
    return "\n".join(text).strip(), {name: " ".join(said.split()) for name, said in docs.items()}


def _sections(lines: list[str]) -> Iterator[Section]:
    """The lines, cut before each heading; the first section has no title."""
    title, is_numpy, content = "", False, list[str]()
    skip = False
    for index, line in enumerate(lines):
        if skip:
            skip = False
            continue
        below = lines[index + 1] if index + 1 < len(lines) else ""
        word = line.strip().lower()
        underlined = word in _PARAMETERS | _OTHERS and re.fullmatch(r"\s*-{3,}\s*", below) is not None
        if underlined or (word.endswith(":") and word[:-1] in _PARAMETERS | _OTHERS and not line[:1].isspace()):
            yield title, is_numpy, content
            title, is_numpy, content = word.rstrip(":"), underlined, []
            skip = underlined
        else:
            content.append(line)
    yield title, is_numpy, content


def _google(lines: list[str]) -> dict[str, str]:
    """``name (type): text``, with further lines indented deeper."""
    docs: dict[str, str] = {}
    name, margin = "", _margin(lines)
    for line in lines:
        item = _GOOGLE_ITEM.match(line.strip()) if _indent(line) == margin else None
        if item:
            name = item[1]
            docs[name] = item[2] or ""
        elif name and _indent(line) > margin:
            docs[name] += f" {line.strip()}"
    return docs


def _numpy(lines: list[str]) -> dict[str, str]:
    """``name : type``, with the text indented below; several names may share one."""
    docs: dict[str, str] = {}
    names: list[str] = []
    margin = _margin(lines)
    for line in lines:
        item = _NUMPY_ITEM.match(line.strip()) if line.strip() and _indent(line) == margin else None
        if item:
            names = [name.strip().lstrip("*") for name in item[1].split(",")]
            docs.update(dict.fromkeys(names, ""))
        elif line.strip():
            docs.update({name: f"{docs[name]} {line.strip()}" for name in names})
    return docs


def _sphinx(lines: list[str]) -> tuple[list[str], dict[str, str]]:
    """``:param type name: text`` up to the next field; and the lines that are in no field."""
    text: list[str] = []
    docs: dict[str, str] = {}
    name, is_field = "", False
    for line in lines:
        item = _SPHINX_ITEM.match(line.strip())
        if item:
            name, is_field = item[1], True
            docs[name] = item[2]
        elif _SPHINX_FIELD.match(line.strip()):
            name, is_field = "", True
        elif is_field and line.strip():
            if name:
                docs[name] += f" {line.strip()}"
        else:
            is_field = is_field and not line.strip()
            text.append(line)
    return text, docs


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else 0


def _margin(lines: list[str]) -> int:
    """The indentation of the first line that has text."""
    return next((_indent(line) for line in lines if line.strip()), 0)
