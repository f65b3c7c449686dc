"""PEP 723: what a script requires, in a comment at its top.

The grammar and the regular expression are those of the inline script metadata specification of the Python packaging
guide.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

from framework.errors import SourceError

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def script_metadata(source: str, *, name: str = "the script") -> tuple[list[str], str]:
    """Requirements and ``requires-python`` of a script.

    Args:
        source: The script's text.
        name: What messages call it.

    Returns:
        The requirements (PEP 508), and the version specifier; both empty where there is no block.

    Raises:
        SourceError: There are two blocks, it is no TOML, or a field is not what the specification says.
    """
    if "# /// script" not in source:
        return [], ""
    blocks = [match for match in _BLOCK.finditer(source.replace("\r\n", "\n")) if match["type"] == "script"]
    if len(blocks) > 1:
        raise SourceError(f"{name} has {len(blocks)} blocks of script metadata", advice="Keep one.")
    if not blocks:
        return [], ""
    content = _toml(blocks[0], name)
    requirements, python = content.get("dependencies", []), content.get("requires-python", "")
    if not isinstance(requirements, list) or not all(isinstance(item, str) for item in requirements):
        raise _invalid(name, "dependencies", requirements, 'a list of texts, such as ["numpy>=2"]')
    if not isinstance(python, str):
        raise _invalid(name, "requires-python", python, 'a text, such as ">=3.10"')
    return requirements, python


def _toml(block: re.Match[str], name: str) -> dict[str, Any]:
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    lines = block["content"].splitlines(keepends=True)
    text = "".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    try:
        content: dict[str, Any] = toml.loads(text)
    except ValueError as error:
        line = block.string.count("\n", 0, block.start()) + 1
        raise SourceError(
            f"{name}:{line}: the script metadata is no TOML: {error}", advice="Mend the comment block (PEP 723)."
        ) from None
    return content


def _invalid(name: str, field: str, value: Any, wanted: str) -> SourceError:
    return SourceError(f"{name}: {field} of the script metadata is {value!r}", advice=f"Write {wanted}.")
