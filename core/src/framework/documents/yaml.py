"""YAML that people write: safe, one document, no key twice, and nothing that JSON does not have.

Scalars are read by the core schema of YAML 1.2 (section 10.3.2), not by YAML 1.1, in which ``on`` and ``no`` are
booleans, ``1e-3`` is a text and ``12:30`` a number. What is written here is read back the same.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import yaml

from framework.errors import DocumentError

MAX_NODES = 1_000_000  # of a document with its aliases expanded


class _Schema:
    """The resolvers of plain scalars, for a loader and a dumper alike."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  as in PyYAML


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    for _character in _first:
        _resolvers = _Schema.yaml_implicit_resolvers.setdefault(_character.strip("\0"), [])
        _resolvers.append((f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z")))


class _Loader(_Schema, yaml.SafeLoader):
    """The safe loader, in Python: its errors have a column that can be trusted."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            self.aliases += 1
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag.endswith(":merge"):
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is no text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is there twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: Any) -> int:
        text = self.construct_scalar(node)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
for _tag in ("binary", "omap", "pairs", "set", "timestamp"):  # what JSON does not have
    del _Loader.yaml_constructors[f"tag:yaml.org,2002:{_tag}"]


class _Dumper(_Schema, yaml.SafeDumper):
    """The safe dumper, which quotes what the loader would not read as text, and writes out what is there twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True  # that two places share an object in memory is no matter of the document

    def represent_text(self, text: str) -> Any:
        # Plain and single-quoted styles write these as they are, and a reader takes them for line breaks.
        style = '"' if any(character in text for character in "\x85\u2028\u2029\ufeff") else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def read(text: str, *, source: str = "") -> Any:
    """What a YAML or JSON document says.

    Args:
        text: The document.
        source: Its file, for messages.

    Raises:
        DocumentError: It does not parse; the message has file:line:column and shows the line.
    """
    name = source or "the document"
    if text.lstrip()[:1] in ("{", "["):  # JSON, which may have tabs where YAML has none
        try:
            return json.loads(text, object_pairs_hook=partial(_object, name))
        except ValueError:
            pass  # YAML may begin so, too, and its errors have the line
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        raise _located(error, text, name) from None
    except yaml.reader.ReaderError as error:
        raise DocumentError(
            f"{name}: the character {error.character!r} is not allowed in YAML", advice="Is it a text file in UTF-8?"
        ) from None
    except (RecursionError, OverflowError):
        raise DocumentError(f"{name}: it is nested too deeply, or its aliases stand for too much") from None
    except ValueError as error:
        raise DocumentError(f"{name}: {error}") from None


def _load(text: str) -> Any:
    loader = _Loader(text)
    try:
        content = loader.get_single_data()
    finally:
        loader.dispose()
    if loader.aliases:
        _nodes(content, {})
    return content


def _object(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DocumentError(f"{name}: the key {twice!r} is there twice")
    return content


def write(content: Any) -> str:
    """A document as YAML, keys in the order that they have, with a newline at the end."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def lines(text: str) -> dict[str, int]:
    """The line of each part of a document that parses: ``{"$.spec.code": 3}``, the first line is 1.

    Of JSON that is no YAML, because it is indented by tabs, there are none.
    """
    found: dict[str, int] = {}
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return {}
    if root is not None:
        _locate(root, "$", found)
    return found


def _locate(node: Any, path: str, found: dict[str, int]) -> None:
    found.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found[f"{path}.{key.value}"] = key.start_mark.line + 1
            _locate(value, f"{path}.{key.value}", found)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _locate(value, f"{path}[{index}]", found)


def _nodes(value: Any, known: dict[int, int]) -> int:
    """How many nodes a value has, each alias counted in full: a few lines can stand for billions."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = MAX_NODES  # of one that contains itself
        known[id(value)] = 1 + sum(
            _nodes(item, known) for item in (value.values() if isinstance(value, dict) else value)
        )
    if known[id(value)] > MAX_NODES:
        raise OverflowError
    return known[id(value)]


def _located(error: yaml.MarkedYAMLError, text: str, name: str) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "it is not YAML"
    if "expected a single document" in (error.context or ""):
        problem = "a second document begins here, and one is wanted"
    if mark is None:
        return DocumentError(f"{name}: {problem}")
    rows = [*text.splitlines(), ""]
    line = rows[min(mark.line, len(rows) - 1)]
    start = max(0, mark.column - 60)  # of a long line, what is around the place
    shown = line[start : start + 100].replace("\t", " ")
    return DocumentError(
        f"{name}:{mark.line + 1}:{mark.column + 1}: {problem}\n  {shown}\n  {' ' * (mark.column - start)}^"
    )
