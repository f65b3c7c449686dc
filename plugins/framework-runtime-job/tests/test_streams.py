"""Streams: read ahead by their bytes, however small their pieces are, and no further."""

from __future__ import annotations

import threading
import time

import pytest

from framework.errors import BackendError
from framework_runtime_job.streams import Stream


class Answer:
    """An answer that comes in pieces; it counts those that were asked for, and breaks behind the last where told."""

    def __init__(self, pieces, *, breaks=False):
        self.given = 0
        self._pieces = pieces
        self._breaks = breaks
        self._shut = threading.Event()

    def stream(self, _size, decode_content):
        assert not decode_content
        for piece in self._pieces:
            self.given += 1
            yield piece
        if self._breaks:
            raise OSError("reset by peer")

    def shutdown(self):
        self._shut.set()

    def close(self):
        self._shut.set()


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _all(stream):
    found = b""
    while not stream.ended:
        found += stream.take(5)
    return found


def test_pieces_that_are_small_are_taken_together():
    answer = Answer([b"%03d" % number for number in range(500)])
    stream = Stream(lambda: answer, ahead=900)
    _until(lambda: answer.given == 301)
    assert len(stream.take(0)) == 900
    assert _all(stream).endswith(b"498499")
    assert not stream.broken
    assert stream.take(0) == b""


def test_no_more_is_read_ahead_than_told_and_it_can_be_closed_meanwhile():
    answer = Answer([bytes(100)] * 50)
    stream = Stream(lambda: answer, ahead=1000)
    _until(lambda: answer.given == 11)
    stream.close()
    _until(lambda: not stream._thread.is_alive())
    assert answer.given == 11


def test_what_came_before_it_broke_is_taken():
    stream = Stream(lambda: Answer([b"a", b"b"], breaks=True))
    assert _all(stream) == b"ab"
    assert stream.broken


def test_what_was_not_given_is_said_to_who_takes_it():
    def refused():
        raise BackendError("no")

    stream = Stream(refused)
    with pytest.raises(BackendError, match="no"):
        _all(stream)


def test_nothing_comes_for_a_while():
    go = threading.Event()

    def pieces():
        go.wait(10)
        yield b"at last"

    stream = Stream(lambda: Answer(pieces()))
    assert stream.take(0.01) == b""
    assert not stream.ended
    go.set()
    assert _all(stream) == b"at last"
