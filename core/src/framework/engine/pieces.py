"""Output and points of one run out of two databases: each event's part once, told by its mark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from attrs import evolve

from framework.databases import LogChunk, MetricChunk

Chunk = TypeVar("Chunk", LogChunk, MetricChunk)
_Key = tuple[object, ...]


def joined_logs(ours: list[LogChunk], theirs: list[LogChunk]) -> list[LogChunk]:
    """Our output with what only the other side has, in the order in which each producer wrote it.

    Returns:
        ``ours`` itself where nothing is new.
    """
    mine, bare = _by_event(_log_pieces(ours)), [chunk for chunk in ours if not chunk.marks]
    known = {chunk.attempt for chunk in ours}
    others = _by_event(_log_pieces(theirs))
    new = [chunk for key, chunks in others.items() if key not in mine for chunk in chunks]
    new_bare = [chunk for chunk in theirs if not chunk.marks and chunk.attempt not in known]
    if not new and not new_bare:
        return ours
    marked = [chunk for chunks in mine.values() for chunk in chunks] + new
    return [*sorted(bare + new_bare, key=lambda chunk: chunk.attempt), *_in_order(marked)]


def joined_metrics(ours: list[MetricChunk], theirs: list[MetricChunk]) -> list[MetricChunk]:
    """Our points with those that only the other side has.

    Returns:
        ``ours`` itself where nothing is new.
    """
    mine, known = _by_event(_metric_pieces(ours)), {(chunk.attempt, chunk.key) for chunk in ours}
    others = _by_event(_metric_pieces(theirs))
    new = [chunk for key, chunks in others.items() if key not in mine for chunk in chunks]
    new += [chunk for chunk in theirs if not chunk.marks and (chunk.attempt, chunk.key) not in known]
    return [*ours, *new] if new else ours


def _log_pieces(chunks: Iterable[LogChunk]) -> Iterator[tuple[_Key, LogChunk]]:
    """Each event's part of the output; an observer's (number 0) is told by its time."""
    for chunk in chunks:
        start = 0
        for mark in chunk.marks:
            *event, size = mark
            key = (chunk.attempt, *event, chunk.time if mark[2] == 0 else 0.0)
            yield key, evolve(chunk, data=chunk.data[start : start + size], marks=(mark,))
            start += size


def _metric_pieces(chunks: Iterable[MetricChunk]) -> Iterator[tuple[_Key, MetricChunk]]:
    for chunk in chunks:
        start = 0
        for mark in chunk.marks:
            *event, size = mark
            part = slice(start, start + size)
            piece = evolve(
                chunk, marks=(mark,), steps=chunk.steps[part], values=chunk.values[part], times=chunk.times[part]
            )
            yield (chunk.attempt, chunk.key, *event), piece
            start += size


def _by_event(pieces: Iterable[tuple[_Key, Chunk]]) -> dict[_Key, list[Chunk]]:
    """The pieces of each event: several where a long one was cut."""
    found: dict[_Key, list[Chunk]] = {}
    for key, chunk in pieces:
        found.setdefault(key, []).append(chunk)
    return found


def _in_order(chunks: Sequence[LogChunk]) -> list[LogChunk]:
    """By time; but what one producer wrote stays in its order, even where its clock was set back."""
    latest: dict[tuple[int, ...], float] = {}
    timed = []
    for chunk in sorted(chunks, key=_number):
        producer = (chunk.attempt, *chunk.marks[0][:2])
        latest[producer] = max(chunk.time, latest.get(producer, chunk.time))
        timed.append((chunk.attempt, latest[producer], chunk))
    return [chunk for _, _, chunk in sorted(timed, key=lambda each: each[:2])]  # it is stable


def _number(chunk: LogChunk) -> tuple[int, ...]:
    return (chunk.attempt, *chunk.marks[0][:3])
