r"""tqdm's bars in a run's output: they become progress, and of each bar one line is kept.

A bar is written over itself: ``\r 42%|████▏     | 42/100 [00:04<00:05, 9.9it/s]`` many times a second. What is not
such a bar goes through as it was written, other carriage returns as well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

_EVERY: Final = 0.25  # seconds between two progress events; the last one of a bar is always sent
_LONGEST: Final = 1_000  # characters of a bar
_NUMBER: Final = r"\d+(?:\.\d+)?[kMGTP]?"
_BAR: Final = re.compile(
    rf"(?P<text>[^\r\n]*?)(?:: )?\s*"
    rf"(?:\d+%\|[^|\r\n]*\| (?P<done>{_NUMBER})/(?P<total>{_NUMBER})|(?P<count>{_NUMBER})(?P<counted>[^\s\d\[]\S*)?) "
    rf"\[[\d:]+(?:<(?:[\d:]+|\?))?, +(?P<rate>{_NUMBER}|\?)(?P<per>[^,\]\r\n]*)[^\]\r\n]*\]\s*"
)
# One update: of a bar below another one with the way down to it and back.
_UPDATE: Final = re.compile(r"(?P<down>\n*)\r(?P<line>[^\r\n\x1b]*)(?P<up>(?:\x1b\[A)*)")
_SCALES: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


class Bars:
    """Takes the text of one stream, and gives it without what bars have written over.

    Args:
        say: Takes the data of a progress event.
    """

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self._bar = ""  # the latest state of the bar that the stream's last line is
        self._erased = False  # that bar has taken itself away
        self._rest = ""  # the beginning of an update whose end has not arrived
        self._said = float("-inf")
        self._waiting: dict[str, Any] | None = None

    def feed(self, text: str) -> str:
        """What of the text can be given now."""
        if "\r" not in text and not self._bar and not self._rest:
            self._erased = self._erased and not text
            return text
        text, self._rest = self._rest + text, ""
        given: list[str] = []
        place = 0
        while update := _UPDATE.search(text, place):
            given.append(self._plain(text[place : update.start()]))
            place = update.end()
            if place == len(text) and self._may_go_on(update):
                self._rest = update[0]
                return "".join(given)
            given.append(self._update(update))
        given.append(self._plain(text[place:]))
        return "".join(given)

    def flush(self) -> str:
        """The rest: nothing comes any more."""
        rest, self._rest = self._rest, ""
        return self._end() + rest

    def _may_go_on(self, update: re.Match[str]) -> bool:
        """Whether it may be an update of which only the beginning has arrived."""
        line = update["line"]
        if len(line) > _LONGEST:
            return False
        if _bar_in(line):
            return bool(update["down"] and self._bar and not update["up"])  # the way back up is still to come
        return "%|" in line or " [" in line or bool(self._bar) or self._erased

    def _plain(self, text: str) -> str:
        if not text:
            return ""
        self._erased = False
        return self._end() + text

    def _update(self, update: re.Match[str]) -> str:
        """Take one update; gives what is no bar as it is."""
        bar, is_below = _bar_in(update["line"]), bool(update["down"] and update["up"])
        is_blank = not update["line"].strip()
        if is_below and (bar or is_blank):  # the bar above says more
            return ""
        if bar is None:
            if not is_blank or update["down"] or not (self._bar or self._erased):
                # Where a bar has taken itself away, the line is at its beginning already.
                return self._plain(update[0].removeprefix("\r") if self._erased else update[0])
            self._bar, self._erased = "", True
            return ""
        before = self._plain(update["down"])
        self._bar, self._erased = update["line"].rstrip(), False
        self._note(_progress(bar))
        return before

    def _end(self) -> str:
        """The line that is kept of a bar; empty where there is none."""
        bar, self._bar = self._bar, ""
        if self._waiting is not None:
            self._send(self._waiting)
        return bar

    def _note(self, data: dict[str, Any]) -> None:
        self._waiting = data
        if time.monotonic() - self._said >= _EVERY or data["done"] == data["total"]:
            self._send(data)

    def _send(self, data: dict[str, Any]) -> None:
        self._waiting, self._said = None, time.monotonic()
        self._say(data)


def _bar_in(line: str) -> re.Match[str] | None:
    return _BAR.fullmatch(line) if "[" in line and len(line) <= _LONGEST else None


def _progress(bar: re.Match[str]) -> dict[str, Any]:
    """What a bar says."""
    done = _number(bar["done"] or bar["count"])
    total = _number(bar["total"]) if bar["total"] else None
    data: dict[str, Any] = {"done": done, "total": total, "unit": "", "text": bar["text"].strip()}
    before, slash, behind = bar["per"].strip().partition("/")
    if slash:
        data["unit"] = behind if before == "s" else before
    if bar["rate"] != "?" and (rate := _number(bar["rate"])):
        data["rate"] = 1 / rate if before == "s" else rate
    return data


def _number(text: str) -> float:
    """``1.5k`` is 1,500; a whole number where nothing is lost."""
    scale = text[-1] if text[-1] in _SCALES else ""
    number = float(text.removesuffix(scale)) * _SCALES[scale]
    return int(number) if number.is_integer() else number
