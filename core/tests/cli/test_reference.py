from __future__ import annotations

from pathlib import Path

from framework.cli.index import GROUPS, ROOT
from framework.cli.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_the_page_is_what_the_help_texts_say():
    made = "\n".join(reference()) + "\n"
    assert PAGE.read_text(encoding="utf-8") == made, "run: python -m framework.cli.reference > docs/reference/cli.md"


def test_every_command_has_a_heading():
    headings = {line.removeprefix("## ") for line in reference() if line.startswith("## ")}
    single = {f"framework {name}" for name, entry in ROOT.items() if entry.target}
    grouped = {f"framework {group} {name}" for group, table in GROUPS.items() for name in table}
    assert headings == {"framework", *single, *grouped}
