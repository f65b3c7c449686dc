"""Masking: the values of secrets are replaced by ``***`` in whatever is kept or shown of a run.

A value is found as it is, and as base64 (by itself and in the middle of something longer), hexadecimal digits,
percent-encoding, JSON, a Python literal and HTML write it; of a value with several lines, each long line as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

MASK: Final = "***"
SHORTEST: Final = 4  # characters: what is shorter is found in any text by chance, and is not masked

_LINE: Final = 8  # characters of a line of a value that is masked by itself
_CORE: Final = 8  # characters of a value in the middle of a longer base64 text
_CUT: Final = "…"  # where a message or a traceback has been shortened

# What of each kind of event is masked: the rest is ours.
_MASKED: Final = {
    "log": ("text",),
    "result": ("values",),
    "metric": ("key",),
    "artifact": ("key", "name", "metadata"),
    "label": ("labels",),
    "progress": ("unit", "text"),
    "child": ("name", "params"),
    "end": ("message", "advice", "traceback"),
}
_NUMBERS: Final = ("values", "params")  # parts in which a number may be a secret


class Masker:
    """Knows the values of a run's secrets.

    Args:
        values: The values; those of fewer than `SHORTEST` characters are left out.
    """

    def __init__(self, values: Iterable[str]) -> None:
        known = [value for value in values if len(value) >= SHORTEST]
        found = {form for value in known for form in _forms(value)}
        self._patterns = sorted(found, key=len, reverse=True)
        self._numbers = {value.strip() for value in known}

    def text(self, text: str) -> str:
        """The text with every value masked, also one that was cut in half at an ellipsis."""
        masked = "".join(self._pieces(text, self.spans(text)))
        if masked.endswith(_CUT) and (rest := self.unfinished(masked[:-1])) >= SHORTEST:
            masked = f"{masked[: -1 - rest]}{MASK}{_CUT}"
        if masked.startswith(_CUT) and (rest := self._begun(masked[1:])) >= SHORTEST:
            masked = f"{_CUT}{MASK}{masked[1 + rest :]}"
        return masked

    def data(self, content: Any, *, numbers: bool = False) -> Any:
        """A JSON value with every text in it masked, the keys of mappings too.

        Args:
            content: The value; it is not changed.
            numbers: A number that is written as a secret is becomes a mask as well.
        """
        if isinstance(content, str):
            return self.text(content)
        if isinstance(content, dict):
            return {self.data(key): self.data(item, numbers=numbers) for key, item in content.items()}
        if isinstance(content, (list, tuple)):
            return [self.data(item, numbers=numbers) for item in content]
        if numbers and isinstance(content, (int, float)) and self.is_secret(content):
            return MASK
        return content

    def event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """The data of an event, with what the user's code has put into it masked."""
        if kind == "environment":
            return {name: self.data(fact) for name, fact in data.items()}
        names = [name for name in _MASKED.get(kind, ()) if name in data]
        return {**data, **{name: self.data(data[name], numbers=name in _NUMBERS) for name in names}}

    def is_secret(self, number: float) -> bool:
        """Whether a number is written as one of the values is."""
        return not isinstance(number, bool) and str(number) in self._numbers

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where values are: from and to, in order; those that overlap are one."""
        found = []
        for pattern in self._patterns:
            place = text.find(pattern)
            while place >= 0:
                found.append((place, place + len(pattern)))
                place = text.find(pattern, place + 1)
        return _joined(found) if found else []

    def unfinished(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a value that goes on."""
        if not self._patterns:
            return 0
        longest = len(self._patterns[0]) - 1
        tail = text[-longest:]
        return max((_overlap(tail, pattern) for pattern in self._patterns), default=0)

    def _begun(self, text: str) -> int:
        """How many characters at the beginning of a text may be the end of a value."""
        backwards = text[: len(self._patterns[0]) - 1 if self._patterns else 0][::-1]
        return max((_overlap(backwards, pattern[::-1]) for pattern in self._patterns), default=0)

    def _pieces(self, text: str, spans: Iterable[tuple[int, int]]) -> Iterator[str]:
        place = 0
        for start, end in spans:
            yield text[place:start]
            yield MASK
            place = end
        yield text[place:]


class Stream:
    """Masks a text that comes in pieces: what it gives together is what `Masker.text` gives of the whole.

    What may be the beginning of a value is held back until it is known to be none.

    Args:
        masker: Knows the values.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""
        self._covered = 0  # characters at the beginning of what is held that a mask stands for already

    def feed(self, text: str) -> str:
        """What can be given after this piece."""
        text = self._held + text
        return self._take(text, len(text) - self._masker.unfinished(text))

    def flush(self) -> str:
        """The rest: nothing comes any more."""
        return self._take(self._held, len(self._held))

    def _take(self, text: str, until: int) -> str:
        """Give the text up to a place, and hold the rest."""
        covered = [(0, self._covered)] if self._covered else []
        given: list[str] = []
        place = after = 0
        for start, end in _joined([*covered, *self._masker.spans(text)]):
            is_covered = start == 0 and bool(covered)
            if start >= until and not is_covered:
                break
            if not is_covered:
                given += (text[place:start], MASK)
            place, after = end, max(0, end - until)
        given.append(text[place:until])
        self._held, self._covered = text[until:], after
        return "".join(given)


def unmasked(values: Mapping[str, str]) -> str:
    """A line of the log for each secret that is too short to be masked."""
    short = [variable for variable, value in values.items() if len(value) < SHORTEST]
    return "".join(f"The secret {name} has fewer than {SHORTEST} characters, and is not masked.\n" for name in short)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, with those that overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _overlap(text: str, pattern: str) -> int:
    """The length of the longest end of a text that is a beginning of a pattern, and not the whole of it."""
    place = max(0, len(text) - len(pattern) + 1)
    while (place := text.find(pattern[0], place)) >= 0:
        if pattern.startswith(text[place:]):
            return len(text) - place
        place += 1
    return 0


def _forms(value: str) -> set[str]:
    """The ways in which a value may be written."""
    from html import escape
    from json import dumps
    from urllib.parse import quote, quote_plus

    data = value.encode("utf-8", "surrogateescape")
    found = {value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= _LINE)}
    found |= {dumps(value)[1:-1], dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    found |= {escape(value), escape(value, quote=False)}
    for quoted in (quote(data, safe=""), quote(data), quote_plus(data)):
        found |= {quoted, quoted.replace("%7E", "~"), _lowered(quoted)}
    found |= {data.hex(), data.hex().upper(), *_base64(data)}
    return {form for form in found if len(form) >= SHORTEST}


def _base64(data: bytes) -> Iterator[str]:
    """As it stands alone, and the digits that are its own where other bytes are before and behind it."""
    from base64 import b64encode

    wholes = [b64encode(data).decode().rstrip("=")]
    for before in range(3):
        text = b64encode(bytes(before) + data).decode()
        core = text[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        if len(core) >= _CORE:
            wholes.append(core)
    for text in wholes:
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _lowered(quoted: str) -> str:
    """A percent-encoded text with its hexadecimal digits in small letters."""
    import re

    return re.sub("%[0-9A-F]{2}", lambda digits: digits[0].lower(), quoted)
