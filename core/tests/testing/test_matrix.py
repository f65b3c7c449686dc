"""The capability matrix says what the kinds register."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind
from framework.runtimes import Capability
from framework.testing.matrix import MEANINGS, matrix


def test_the_page_is_up_to_date():
    """Mend: python -m framework.testing.matrix > docs/reference/capabilities.md."""
    page = Path(__file__).parents[3] / "docs" / "reference" / "capabilities.md"
    assert page.read_text(encoding="utf-8") == matrix(found.item for found in Plugins().runtimes().values())


def test_every_capability_has_a_meaning():
    assert set(MEANINGS) == set(get_args(Capability))


def test_a_kind_that_claims_nothing_has_a_column_of_noes():
    rows = matrix([RuntimeKind(name="bare", summary="Nothing", runtime="a:B")]).splitlines()
    cells = [row.split("|")[3].strip() for row in rows if row.startswith("| `")]
    assert cells == ["no"] * len(MEANINGS)
