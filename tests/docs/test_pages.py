"""Every example of the documentation runs.

Python blocks of a page are one script. In console blocks each line that begins with ``$`` is run in order; one that
ends with ``# exit status N`` must end with that status. A line with a word in capitals, such as UID, is a pattern and
no example.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Shell = Callable[[str], subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATTERN = re.compile(r"\b[A-Z]{3,}\b(?!=)")
STATUS = re.compile(r"# exit status (\d+)$")


def _blocks(page: Path, language: str) -> list[str]:
    return [match[2] for match in BLOCK.finditer(page.read_text("utf-8")) if match[1] == language]


def _named(pages: list[Path]) -> list[object]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


@pytest.mark.parametrize("page", _named([page for page in PAGES if _blocks(page, "python")]))
def test_the_python_of_a_page_runs(page: Path, shell: Shell, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(_blocks(page, "python")))
    ended = shell(f"python -W error {script}")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", _named([page for page in PAGES if _blocks(page, "console")]))
def test_the_commands_of_a_page_run(page: Path, shell: Shell) -> None:
    lines = [line for block in _blocks(page, "console") for line in block.splitlines()]
    for line in lines:
        if not line.startswith("$ ") or PATTERN.search(line):
            continue
        wanted = int(match[1]) if (match := STATUS.search(line)) else 0
        ended = shell(line.removeprefix("$ "))
        assert ended.returncode == wanted, f"{line}\n{ended.stdout}"
