"""The suite of databases: the output and the metrics of runs."""

from __future__ import annotations

import math

from framework.databases import Database, Document
from framework.testing.database_bed import DatabaseBed, Reopen, producer_of, run_document, uid_of
from framework_run.events import Event, Producer


class RecordsSuite(DatabaseBed):
    """Output comes back byte for byte, and points number for number."""

    def test_output_comes_back_byte_for_byte(self, database: Database, reopen: Reopen) -> None:
        run = _created(database)
        producer = producer_of(run)
        written = [bytes(range(256)), b"\xff\xfe\x00", "☃\r\n".encode(), b"\xe2\x98", b"\x83", b"no newline"]
        for piece in written:
            database.apply(uid_of(run), [_output(producer, piece)])
        assert b"".join(chunk.data for chunk in reopen().log(uid_of(run))) == b"".join(written)

    def test_the_order_and_the_streams_of_output_are_kept(self, database: Database) -> None:
        run = _created(database)
        producer = producer_of(run)
        texts = [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d"), ("system", "e")]
        database.apply(uid_of(run), [_output(producer, text.encode(), stream) for stream, text in texts])
        found = [(chunk.stream, chunk.data.decode()) for chunk in database.log(uid_of(run))]
        assert "".join(text for _, text in found) == "abcde"
        for stream in ("stdout", "stderr", "system"):
            assert _of(found, stream) == _of(texts, stream)
        assert all(chunk.attempt == 1 and chunk.rank == 0 for chunk in database.log(uid_of(run)))

    def test_much_output_in_one_batch(self, database: Database) -> None:
        run = _created(database)
        producer = producer_of(run)
        pieces = [bytes([number % 251]) * 32_768 for number in range(100)]
        database.apply(uid_of(run), [_output(producer, piece) for piece in pieces])
        assert b"".join(chunk.data for chunk in database.log(uid_of(run))) == b"".join(pieces)

    def test_output_can_be_followed(self, database: Database, reopen: Reopen) -> None:
        run = _created(database)
        producer = producer_of(run)
        follower, seen, read = reopen(), b"", 0
        written = [b"one", b"two", b"three" * 30_000, b"four"]
        for piece in written:
            database.apply(uid_of(run), [_output(producer, piece)])
            for chunk in follower.log(uid_of(run), after=read):
                seen += chunk.data
                read += 1
            assert seen == b"".join(written[: written.index(piece) + 1])
        assert list(follower.log(uid_of(run), after=read)) == []

    def test_output_is_read_while_more_is_written(self, database: Database) -> None:
        run = _created(database)
        producer = producer_of(run)
        for number in range(200):
            database.apply(uid_of(run), [_output(producer, b"%d\n" % number)])
        reading = database.log(uid_of(run))
        first = next(reading).data
        database.apply(uid_of(run), [_output(producer, b"later\n")])
        rest = b"".join(chunk.data for chunk in reading)
        assert (first + rest).removesuffix(b"later\n") == b"".join(b"%d\n" % number for number in range(200))

    def test_the_last_attempt_is_meant_unless_told(self, database: Database) -> None:
        run = _created(database)
        for attempt in (1, 2):
            producer = producer_of(run, attempt)
            points = {"key": "loss", "steps": [attempt], "values": [attempt / 4], "times": [5.0]}
            database.apply(
                uid_of(run),
                [
                    producer.event("state", {"state": "running"}),
                    _output(producer, b"attempt %d" % attempt),
                    producer.event("metric", points),
                ],
            )
        assert [chunk.data for chunk in database.log(uid_of(run))] == [b"attempt 2"]
        assert [chunk.data for chunk in database.log(uid_of(run), attempt=1)] == [b"attempt 1"]
        assert database.metric(uid_of(run), "loss") == [(2, 0.5, 5.0)]
        assert database.metric(uid_of(run), "loss", attempt=1) == [(1, 0.25, 5.0)]

    def test_points_are_in_the_order_of_step_and_time(self, database: Database, reopen: Reopen) -> None:
        run = _created(database)
        producer = producer_of(run)
        batches = [([3, 1], [0.3, 0.1], [3.0, 9.0]), ([1, -2], [0.2, 0.0], [1.0, 0.0]), ([2**62], [7], [8.0])]
        for steps, values, times in batches:
            data = {"key": "loss", "steps": steps, "values": values, "times": times}
            database.apply(uid_of(run), [producer.event("metric", data)])
        points = [(-2, 0.0, 0.0), (1, 0.2, 1.0), (1, 0.1, 9.0), (3, 0.3, 3.0), (2**62, 7.0, 8.0)]
        assert reopen().metric(uid_of(run), "loss") == points
        assert database.metric(uid_of(run), "other") == []

    def test_points_that_are_no_finite_numbers(self, database: Database) -> None:
        run = _created(database)
        values = [{"$float": "nan"}, {"$float": "-inf"}, 1.5]
        data = {"key": "loss", "steps": [0, 1, 2], "values": values, "times": [0.0] * 3}
        database.apply(uid_of(run), [producer_of(run).event("metric", data)])
        found = [value for _, value, _ in database.metric(uid_of(run), "loss")]
        assert math.isnan(found[0])
        assert found[1:] == [-math.inf, 1.5]

    def test_many_points_of_several_metrics(self, database: Database) -> None:
        run = _created(database)
        producer = producer_of(run)
        count = 10_000
        for key in ("loss", "naïve accuracy"):
            for start in range(0, count, 2_500):
                steps = list(range(start, start + 2_500))
                data = {"key": key, "steps": steps, "values": [step / 7 for step in steps], "times": [1.0] * 2_500}
                database.apply(uid_of(run), [producer.event("metric", data)])
        points = database.metric(uid_of(run), "naïve accuracy")
        assert points == [(step, step / 7, 1.0) for step in range(count)]
        assert database.run(uid_of(run))["status"]["metrics"] == {
            "loss": (count - 1) / 7,
            "naïve accuracy": (count - 1) / 7,
        }


def _created(database: Database) -> Document:
    run = run_document()
    database.create_run(run)
    return run


def _output(producer: Producer, piece: bytes, stream: str = "stdout") -> Event:
    return producer.event("log", {"stream": stream, "text": piece.decode("utf-8", "surrogateescape")})


def _of(found: list[tuple[str, str]], stream: str) -> str:
    return "".join(text for name, text in found if name == stream)
