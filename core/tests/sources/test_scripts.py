from __future__ import annotations

import pytest

from framework.errors import SourceError
from framework.sources import script_metadata

BLOCK = '# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n#   "requests<3",\n#   "rich",\n# ]\n# ///\n'


@pytest.mark.parametrize(
    "source", [BLOCK, "#!/usr/bin/env python\n" + BLOCK + "import rich\n", BLOCK.replace("\n", "\r\n")]
)
def test_requirements_and_python_are_read(source: str) -> None:
    assert script_metadata(source) == (["requests<3", "rich"], ">=3.11")


@pytest.mark.parametrize("source", ["", "import rich\n", "# /// other\n# a = 1\n# ///\n", "# /// script\n# a = 1\n"])
def test_without_a_block_nothing_is_required(source: str) -> None:
    assert script_metadata(source) == ([], "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (BLOCK + "\n" + BLOCK, "2 blocks"),
        ("x = 1\n# /// script\n# dependencies = [\n# ///\n", "train.py:2: .*no TOML"),
        ('# /// script\n# dependencies = "rich"\n# ///\n', "dependencies of the script metadata is 'rich'"),
        ("# /// script\n# requires-python = 3\n# ///\n", "requires-python of the script metadata is 3"),
    ],
)
def test_a_block_that_is_wrong_is_refused(source: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        script_metadata(source, name="train.py")
