"""Rules about the files of the repository."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

TOP_LEVEL = {
    "pyproject.toml",
    "core",
    "plugins",
    "hub_index",
    "tests",
    "contrib",
    "docs",
    "tox.ini",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
}
LONGEST_FILE = 600  # lines
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Put together here, so that this file names none of them.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("anaconda", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("deb", "debian", "org"),
    ]
]


def test_the_top_level_holds_the_agreed_names_only(files: list[Path], root: Path) -> None:
    names = {path.relative_to(root).parts[0] for path in files}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_no_source_file_is_longer_than_one_sitting(python_files: list[Path], root: Path) -> None:
    lengths = {str(path.relative_to(root)): path.read_bytes().count(b"\n") for path in python_files}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_nothing_is_left_for_later_in_comments(python_files: list[Path], root: Path) -> None:
    found = []
    for path in python_files:
        with tokenize.open(path) as file:
            source = file.read()
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        except (SyntaxError, tokenize.TokenError):
            continue  # a test's example of a broken file
        found += [
            f"{path.relative_to(root)}:{token.start[0]}"
            for token in tokens
            if token.type == tokenize.COMMENT and LEFT_OVER.search(token.string)
        ]
    assert found == []


def test_nothing_is_left_for_later_in_the_documentation(markdown_files: list[Path], root: Path) -> None:
    assert [str(path.relative_to(root)) for path in markdown_files if LEFT_OVER.search(path.read_text("utf-8"))] == []


def test_no_registry_is_named(files: list[Path], root: Path) -> None:
    found = []
    for path in files:
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(root)}: {host}" for host in REGISTRY_HOSTS if host in text]
    assert found == []


def test_every_python_file_has_postponed_annotations(python_files: list[Path], root: Path) -> None:
    missing = []
    for path in python_files:
        source = path.read_text("utf-8")
        relative = path.relative_to(root)
        is_code_with_annotations = "src" in relative.parts and "def " in source
        if is_code_with_annotations and "from __future__ import annotations" not in source:
            missing.append(str(relative))
    assert missing == []
