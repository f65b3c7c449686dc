"""Secrets that this process knows, taken out of what is recorded of its surroundings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from framework_run.masking import MASK

if TYPE_CHECKING:
    from framework_run.masking import Masker

_SHORTEST: Final = 6  # characters of a value that is masked wherever it stands: shorter ones stand everywhere
_SECRET_NAME: Final = re.compile(
    r"(?:^|[_\-.])(?:pass|password|passwd|passphrase|pwd|secret|secrets|token|credential|credentials|"
    r"api[_\-]?key|apikey|access[_\-]?key|private[_\-]?key|secret[_\-]?key|auth[_\-]?key)(?:$|[_\-.](?:id|value)?$)",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    rb"^(?P<head>\+[^\n]*?(?<![\w.\-])(?P<name>[A-Za-z_][\w.\-]*)[\"']?[ \t]*[:=][ \t]*)"
    rb"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{6,})(?P=quote)|(?P<bare>[^\s\"'()\[\]{},]{6,})(?=\r?$))"
)
_LONGEST: Final = 2_000  # bytes of a line that assigns something: longer ones are data


def is_secret_name(name: str) -> bool:
    """Whether a variable is called as secrets are: ``API_TOKEN``, ``db.password``."""
    return _SECRET_NAME.search(name) is not None


def secrets_here(variables: Mapping[str, str] | None = None) -> Masker:
    """Knows the values of the variables that are called as secrets are.

    Args:
        variables: Variables by name; those of this process unless told.
    """
    from framework_run.masking import Masker

    known = os.environ if variables is None else variables
    values = {value for name, value in known.items() if is_secret_name(name)}
    return Masker(value for value in values if len(value) >= _SHORTEST)


def masked_words(words: Iterable[str], masker: Masker) -> list[str]:
    """A command line without these values, and without what options such as ``--token`` are given."""
    shown, secret = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        if secret and not word.startswith("-"):
            word = MASK  # noqa: PLW2901  what the option before it was given
        elif equals and is_secret_name(name.lstrip("-")):
            word = f"{name}={MASK}"  # noqa: PLW2901  likewise
        secret = word.startswith("--") and not equals and is_secret_name(name.lstrip("-"))
        shown.append(masker.text(word))
    return shown


def masked_patch(patch: bytes, maskers: Iterable[Masker]) -> tuple[bytes, int]:
    """A patch without these values, and without what its new lines assign to names that look secret.

    Returns:
        The patch, and how many places were masked.
    """
    text, count = patch.decode("utf-8", "surrogateescape"), 0
    for masker in maskers:
        count += len(masker.spans(text))
        text = masker.text(text)

    def mask(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if not is_secret_name(found["name"].decode("ascii", "replace")):
            return found[0]
        count += 1
        quote = found["quote"] or b""
        return found["head"] + quote + MASK.encode() + quote

    lines = text.encode("utf-8", "surrogateescape").split(b"\n")
    masked = [_ASSIGNED.sub(mask, line) if line[:1] == b"+" and len(line) <= _LONGEST else line for line in lines]
    return b"\n".join(masked), count
