"""What of a folder is no code: caches, environments, version control, and what its ``.gitignore`` files say.

The rules are those of gitignore(5), of the files in the folder itself: git's global excludes and the folders above it
differ from machine to machine, and the same folder must be the same Function on all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

NAMES: Final = frozenset(
    {
        ".DS_Store",
        ".git",
        ".hg",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
    }
)
SUFFIXES: Final = (".pyc", ".pyo", ".egg-info")

Rule = tuple[bool, bool, str]  # negated, folders only, regular expression
Group = tuple[bool, re.Pattern[str]]  # negated, of rules that follow each other


class Ignore:
    """The rules of one ``.gitignore``.

    Args:
        text: What the file says.
        folder: Where it lies, relative to the root: empty or ending in ``/``.
    """

    def __init__(self, text: str, folder: str) -> None:
        rules = [rule for line in text.splitlines() if (rule := _rule(line)) is not None]
        self._start = len(folder)
        self._of_folders = _groups(rules)
        self._of_files = _groups(rule for rule in rules if not rule[1])

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether a path below the folder is ignored; None where no rule speaks of it.

        Args:
            path: The path, relative to the root.
            is_folder: Whether it is a folder.
        """
        relative = path[self._start :]
        for negated, pattern in self._of_folders if is_folder else self._of_files:
            if pattern.fullmatch(relative):
                return not negated
        return None


def is_ignored(path: str, *, is_folder: bool, ignores: Iterable[Ignore]) -> bool:
    """Whether a path is ignored: the innermost file that speaks of it decides.

    Args:
        path: The path, relative to the root.
        is_folder: Whether it is a folder.
        ignores: The rules that hold there, the innermost first.
    """
    for ignore in ignores:
        verdict = ignore.verdict(path, is_folder=is_folder)
        if verdict is not None:
            return verdict
    return False


def _groups(rules: Iterable[Rule]) -> list[Group]:
    """One expression for each run of rules of the same sign, the last first: the last rule that fits decides."""
    runs = [(negated, [rule[2] for rule in run]) for negated, run in groupby(rules, lambda rule: rule[0])]
    return [
        (negated, re.compile("|".join(f"(?:{text})" for text in texts), re.DOTALL)) for negated, texts in reversed(runs)
    ]


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\) +$", "", line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[negated:]
    folders_only = text.endswith("/") and text != "/"
    text = text.rstrip("/") if folders_only else text
    anchored = "/" in text
    try:
        pattern = ("" if anchored else "(?:.*/)?") + _translate(text.removeprefix("/"))
        re.compile(pattern)
    except re.error:  # git, too, passes over a pattern that is none
        return None
    return negated, folders_only, pattern


def _translate(glob: str) -> str:
    """A gitignore pattern as a regular expression."""
    parts = []
    position = 0
    while position < len(glob):
        token = _TOKEN.match(glob, position)
        if token is None:
            parts.append(re.escape(glob[position]))
            position += 1
            continue
        kind = str(token.lastgroup)
        at_start = position == 0 or glob[position - 1] == "/"
        at_end = token.end() == len(glob)
        if kind == "folders":
            parts.append("(?:.*/)?" if at_start else "[^/]*/")
        elif kind == "deep":
            parts.append(".+" if at_start and at_end else "[^/]*")
        elif kind == "set":
            parts.append("(?!/)" + _set(token[0]))
        elif kind == "escaped":
            parts.append(re.escape(token[0][1:]))
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}[token[0]])
        position = token.end()
    return "".join(parts)


_TOKEN: Final = re.compile(
    r"(?P<folders>\*{2}/)|(?P<deep>\*{2,})|(?P<any>[*?])|(?P<escaped>\\.)|(?P<set>\[[!^]?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])"
)


def _set(text: str) -> str:
    inner = text[1:-1]
    negated = inner[:1] in {"!", "^"}
    inner = re.sub(r"(?<!\\)\[", r"\\[", inner[negated:])
    if inner.startswith("]"):
        inner = rf"\{inner}"
    return f"[{'^' if negated else ''}{inner}]"
