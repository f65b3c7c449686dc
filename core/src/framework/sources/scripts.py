"""PEP 723: metadata in a comment of a script (https://packaging.python.org/specifications/inline-script-metadata/)."""

from __future__ import annotations

import re

from framework.errors import SourceError

_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def script_metadata(source: str, *, name: str = "the script") -> tuple[list[str], str]:
    """Requirements and ``requires-python`` of a script.

    Args:
        source: The script's text.
        name: What messages call it.

    Raises:
        SourceError: There are two blocks, or it is no TOML.
    """
    blocks = list(_BLOCK.finditer(source))
    if not blocks:
        return [], ""
    if len(blocks) > 1:
        raise SourceError(f"{name} has {len(blocks)} script metadata blocks", advice="Keep one.")
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib

    lines = blocks[0]["content"].splitlines(keepends=True)
    text = "".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    try:
        content = tomllib.loads(text)
    except ValueError as error:
        raise SourceError(f"the script metadata of {name} is no TOML: {error}", advice="Mend the block.") from None
    return [str(item) for item in content.get("dependencies", [])], str(content.get("requires-python", ""))
