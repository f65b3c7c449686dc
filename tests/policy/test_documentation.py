"""Rules that keep the documentation true: links resolve, and tables say what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from framework import errors
from framework.api.runs import RunFailed

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)


def _prose(path: Path) -> str:
    return FENCE.sub("", path.read_text("utf-8"))


def _anchors(path: Path) -> set[str]:
    """The anchors that the headings of a page get, by GitHub's rule: lower case, spaces to dashes, signs left out."""
    texts = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(_prose(path))]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def _rows(page: Path) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell is code: that code, and the other cells."""
    rows = {}
    for line in page.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) > 1:
            rows[cells[0].strip("`")] = cells[1:]
    return rows


def test_every_link_leads_somewhere(markdown_files: list[Path], root: Path) -> None:
    broken = []
    for page in markdown_files:
        for match in LINK.finditer(_prose(page)):
            target = match[1] or match[2]
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / unquote(name)) if name else page
            if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path)):
                broken.append(f"{page.relative_to(root)}: {target}")
    assert broken == []


def test_every_page_but_a_changelog_fragment_is_reached_from_the_index(root: Path) -> None:
    pages = {page for page in (root / "docs").rglob("*.md") if not re.fullmatch(r"[\w-]+\.\w+\.md", page.name)}
    reached: set[Path] = set()
    waiting = [root / "docs/index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        waiting += [
            (page.parent / target.partition("#")[0]).resolve()
            for match in LINK.finditer(_prose(page))
            if (target := match[1]) and ":" not in target and not target.startswith("#")
        ]
    assert {str(page.relative_to(root)) for page in pages - reached} == set()


def _error_classes() -> dict[str, type[errors.FrameworkError]]:
    classes = [*vars(errors).values(), RunFailed]  # which stands beside the run that it carries
    return {cls.__name__: cls for cls in classes if isinstance(cls, type) and issubclass(cls, errors.FrameworkError)}


def test_every_error_is_in_its_table(root: Path) -> None:
    assert set(_rows(root / "docs/reference/errors.md")) == set(_error_classes())


@pytest.mark.parametrize("name", sorted(_error_classes()))
def test_the_table_of_errors_has_the_right_parent_and_exit_code(root: Path, name: str) -> None:
    cls = _error_classes()[name]
    parent, exit_code, *_ = _rows(root / "docs/reference/errors.md")[name]
    assert parent == f"`{cls.__bases__[0].__name__}`"
    assert exit_code == str(cls.exit_code)


def test_the_docstring_of_the_errors_draws_the_whole_tree() -> None:
    drawn = set(re.findall(r"^[ │├└─]*(\w+)", errors.__doc__ or "", re.MULTILINE))
    assert set(_error_classes()) <= drawn


def test_every_setting_is_in_its_table_with_its_variable(root: Path) -> None:
    import attrs

    from framework.settings import Settings

    rows = _rows(root / "docs/reference/settings.md")
    assert set(rows) == {field.name for field in attrs.fields(Settings)}
    assert {name: cells[0] for name, cells in rows.items()} == {name: f"`FRAMEWORK_{name.upper()}`" for name in rows}


def test_every_public_name_is_in_the_table_of_the_python_api(root: Path) -> None:
    import framework

    page = root / "docs/reference/python-api.md"
    raised = {name for name in framework.__all__ if name in _error_classes()}
    assert set(_rows(page)) == set(framework.__all__) - raised
    assert all(f"`{name}`" in page.read_text("utf-8") for name in raised)


def test_every_error_can_be_caught_by_its_public_name() -> None:
    import framework

    assert {name for name, cls in _error_classes().items() if getattr(framework, name, None) is cls} == set(
        _error_classes()
    )
