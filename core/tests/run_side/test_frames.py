"""The frame codec: what is ours comes out whole, what is not stays as it was written."""

from __future__ import annotations

import itertools
import os
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run import frames
from framework_run.frames import LIMIT, Decoder, encode

TOKEN = "t0k3n"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
events = st.fixed_dictionaries({"kind": st.text(min_size=1, max_size=8), "data": json_values})
large_events = st.builds(
    lambda letter, size: {"kind": "log", "data": letter * size}, st.characters(), st.integers(0, 20_000)
)
foreign = st.binary(max_size=200) | st.sampled_from(
    [
        b"\n",
        b"\n#fw1",
        b"\n#fw1 ",
        b"\n#fw1 t0k3n",
        b"\n#fw1 t0k3n ",
        b"#fw1 t0k3n 00000000 x 1/1 {}\n",
        b"\n\n",
        b"\r\n",
    ]
)


def together(items: list[Any]) -> tuple[list[Any], bytes]:
    return [item for item in items if isinstance(item, dict)], b"".join(i for i in items if isinstance(i, bytes))


def decode(stream: bytes, cuts: list[int] | None = None) -> tuple[list[Any], bytes]:
    decoder = Decoder(TOKEN)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts or ()), len(stream)]
    items: list[Any] = []
    for start, end in itertools.pairwise(places):
        items += decoder.feed(stream[start:end])
    return together(items + decoder.close())


@given(events | large_events)
def test_every_frame_is_short_enough_to_be_written_in_one_piece(event: dict[str, Any]) -> None:
    pieces = encode(event, TOKEN)
    assert all(len(piece) <= LIMIT for piece in pieces)
    assert all(piece.startswith(b"\n") and piece.endswith(b"\n") and piece.isascii() for piece in pieces)
    assert decode(b"".join(pieces)) == ([event], b"")


@given(st.lists(st.tuples(foreign, events | large_events), max_size=6), foreign, st.lists(st.integers(0), max_size=12))
def test_events_and_foreign_bytes_survive_any_split_of_the_stream(
    pairs: list[tuple[bytes, dict[str, Any]]], rest: bytes, cuts: list[int]
) -> None:
    stream = b"".join(text + b"".join(encode(event, TOKEN)) for text, event in pairs) + rest
    found, left = decode(stream, cuts)
    assert found == [event for _, event in pairs]
    assert left == b"".join(text for text, _ in pairs) + rest


@given(st.lists(large_events, min_size=2, max_size=5), st.randoms())
def test_messages_of_several_writers_may_interleave(messages: list[dict[str, Any]], random: Any) -> None:
    queues = [encode(event, TOKEN) for event in messages]
    stream = b""
    while any(queues):
        stream += random.choice([queue for queue in queues if queue]).pop(0)
    found, left = decode(stream)
    assert left == b""
    assert sorted(map(repr, found)) == sorted(map(repr, messages))


@given(events, st.integers(0), st.integers(1, 255), events)
def test_a_damaged_frame_is_foreign_text_and_the_next_one_is_read(
    event: dict[str, Any], place: int, change: int, following: dict[str, Any]
) -> None:
    (frame,) = encode(event, TOKEN)
    at = place % (len(frame) - 1)  # the last newline belongs to nobody's checksum
    damaged = frame[:at] + bytes([frame[at] ^ change]) + frame[at + 1 :]
    (after,) = encode(following, TOKEN)
    assert decode(damaged + after) == ([following], damaged)


@given(large_events, st.integers(0))
def test_a_frame_that_was_cut_short_hides_nothing_behind_it(event: dict[str, Any], place: int) -> None:
    (frame, *_) = encode(event, TOKEN)
    cut = frame[: place % (len(frame) - 1)]
    assert decode(cut + encode({"a": 1}, TOKEN)[0]) == ([{"a": 1}], cut)


def test_frames_of_another_run_are_foreign() -> None:
    (frame,) = encode({"a": 1}, "another")
    assert decode(frame) == ([], frame)


@pytest.mark.parametrize("crc", [b"%08X", b"0x%06x", b"+%07x", b"%9x"])
def test_the_checksum_is_eight_lower_case_digits(crc: bytes) -> None:
    body = next(body for number in range(10_000) if zlib.crc32(body := b'n%d 1/1 {"a":1}' % number) >> 28 == 0xA)
    frame = b"\n#fw1 %s %s %s\n" % (TOKEN.encode(), crc % zlib.crc32(body), body)
    assert decode(frame) == ([], frame)


def framed(name: bytes, place: bytes, payload: bytes) -> bytes:
    body = b"%s %s %s" % (name, place, payload)
    return b"\n#fw1 %s %08x %s\n" % (TOKEN.encode(), zlib.crc32(body), body)


@pytest.mark.parametrize("place", [b"0/1", b"2/1", b"-1/2", b"1", b"1/2/3", b"x/y"])
def test_an_impossible_part_is_foreign(place: bytes) -> None:
    frame = framed(b"n", place, b"{}")
    assert decode(frame) == ([], frame)


def test_a_part_of_another_count_does_not_disturb_its_message() -> None:
    odd = framed(b"n", b"1/3", b"x")
    found, left = decode(framed(b"n", b"1/2", b'{"a"') + odd + framed(b"n", b"2/2", b":1}"))
    assert (found, left) == ([{"a": 1}], odd)


def test_a_part_that_comes_twice_counts_once() -> None:
    first, second = framed(b"n", b"1/2", b'{"a"'), framed(b"n", b"2/2", b":1}")
    assert decode(first + first + second) == ([{"a": 1}], b"")


def test_incomplete_messages_take_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_WAITING", 50_000)
    decoder = Decoder(TOKEN)
    for number in range(500):
        decoder.feed(framed(b"n%d" % number, b"1/9999999", b"x" * 1000))
    assert decoder._waiting <= 50_000
    assert sum(message.size for message in decoder._messages.values()) == decoder._waiting


def test_of_incomplete_messages_the_one_without_news_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_MESSAGES", 2)
    decoder = Decoder(TOKEN)
    decoder.feed(framed(b"slow", b"1/3", b'{"a"') + framed(b"dead", b"1/2", b"{"))
    decoder.feed(framed(b"slow", b"2/3", b":") + framed(b"new", b"1/2", b"{"))
    assert together(decoder.feed(framed(b"slow", b"3/3", b"1}"))) == ([{"a": 1}], b"")
    assert list(decoder._messages) == [b"new"]


def test_an_event_that_no_reader_would_keep_is_refused() -> None:
    with pytest.raises(ValueError, match="result event of 17,0"):
        encode({"kind": "result", "data": "x" * 17_000_000}, TOKEN)


def test_text_of_others_is_not_held_back() -> None:
    assert Decoder(TOKEN).feed(b"a line\nand half of ano") == [b"a line\nand half of ano"]


def test_ids_differ_between_processes_with_the_same_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    here = encode({}, TOKEN)[0].split(b" ")[3]
    monkeypatch.setattr(frames, "_salt", "another machine")
    monkeypatch.setattr(frames, "_counter", iter([int(here.split(b".")[2], 16)]))
    assert encode({}, TOKEN)[0].split(b" ")[3] != here
