"""The limit to a log: first and last bytes, and what was left out between them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from framework_run.loglimit import Line, LogLimit

texts = st.lists(st.text(st.sampled_from("a€\n\udcff"), min_size=1, max_size=40), max_size=40)


def line(text: str, stream: str = "stdout", child: str | None = None, at: float = 0.0) -> Line:
    return {"stream": stream, "text": text}, child, at


def sent(limit: LogLimit, lines: list[Line]) -> tuple[list[Line], dict[str, int] | None, list[Line]]:
    passed = [part for item in lines for part in limit.feed(item)]
    return passed, *limit.release()


def text_of(lines: list[Line], stream: str = "stdout") -> str:
    return "".join(data["text"] for data, _, _ in lines if data["stream"] == stream)


def written(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@given(pieces=texts, first=st.integers(0, 200), last=st.integers(0, 200))
def test_the_beginning_and_the_end_are_kept_and_the_middle_is_counted(pieces: list[str], first: int, last: int) -> None:
    passed, dropped, held = sent(LogLimit(first, last), [line(text) for text in pieces])
    whole, beginning, end = "".join(pieces), text_of(passed), text_of(held)
    assert whole.startswith(beginning)
    assert whole.endswith(end)
    middle = whole[len(beginning) : len(whole) - len(end)]
    assert (dropped or {"lines": 0, "bytes": 0}) == {"lines": middle.count("\n"), "bytes": len(written(middle))}
    assert len(written(beginning)) <= first + 120  # and the rest of its last line
    assert len(written(end)) <= last


@given(st.lists(st.tuples(st.text("ab", max_size=20), st.sampled_from(["stdout", "stderr"])), max_size=60))
def test_whole_lines_of_two_streams_stay_whole(items: list[tuple[str, str]]) -> None:
    pieces = []
    for text, stream in items:  # each line in two pieces, as a pipe may give it
        pieces += [line(text[:7] or "\n", stream), line(f"{text[7:]}\n", stream)]
    passed, dropped, held = sent(LogLimit(100, 200), pieces)
    for stream in ("stdout", "stderr"):
        whole = text_of(pieces, stream).splitlines(keepends=True)
        beginning, end = text_of(passed, stream), text_of(held, stream).splitlines(keepends=True)
        if dropped:
            assert end == whole[len(whole) - len(end) :]
            assert beginning == "" or beginning.endswith("\n") or beginning == "".join(whole)


def test_a_log_within_its_limit_passes_whole() -> None:
    lines: list[Any] = [line("one\n"), line("two\n")]
    assert sent(LogLimit(8, 0), lines) == (lines, None, [])


def test_what_is_held_keeps_its_child_and_its_time() -> None:
    limit = LogLimit(0, 100)
    assert limit.feed(line("x", "stderr", "0199", 12.5)) == []
    assert limit.release() == (None, [line("x", "stderr", "0199", 12.5)])
    assert limit.release() == (None, [])
