"""What a worker tells by a topic, and the processes that wait for another item."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

from framework_runtime_dask import seed
from framework_runtime_dask.reports import Post, Report


class Worker:
    """A worker whose loop runs what it is given when it is told to."""

    def __init__(self, status="running"):
        self.status = SimpleNamespace(name=status)
        self.address = "tcp://127.0.0.1:1"
        self.loop = SimpleNamespace(add_callback=lambda later, _delay, function: later(function), call_later=self.later)
        self.due = []
        self.told = []

    def later(self, function):
        self.due.append(function)

    def log_event(self, topic, message):
        self.told.append((topic, message["parts"]))

    def turn(self):
        due, self.due = self.due, []
        for function in due:
            function()


def line(number):
    return json.dumps({"seq": number, "kind": "log", "data": {"text": "x"}}, separators=(",", ":"))


def test_short_items_are_told_of_together_each_in_its_order():
    worker = Worker()
    post = Post(worker)
    for index in range(5):
        report = Report(post, "map-2" if index == 4 else "map-1", index)
        for number in (1, 2):
            report.add(line(number))
            report.send()
    assert worker.told == []
    worker.turn()
    assert [topic for topic, _ in worker.told] == ["map-1", "map-2"]
    assert [(part["i"], json.loads(part["lines"][0])["seq"]) for part in worker.told[0][1]] == [
        (index, number) for index in range(4) for number in (1, 2)
    ]
    worker.turn()
    assert len(worker.told) == 2


def test_a_worker_that_closes_says_nothing_more():
    worker = Worker("closing")
    report = Report(Post(worker), "map", 0)
    report.add(line(1))
    report.send()
    worker.turn()
    assert worker.told == []
    assert report.result(None)["lines"] == [line(1)]


def test_one_thread_looks_after_all_processes_that_wait(monkeypatch):
    started, closed = [], []
    monkeypatch.setattr(
        seed.threading, "Thread", lambda target, **_: SimpleNamespace(start=lambda: started.append(target))
    )
    monkeypatch.setattr(seed.time, "sleep", lambda _seconds: None)
    bundle = seed.Bundle("code", b"", b"")
    bundle.lock, bundle.idle, bundle.is_swept = threading.Lock(), {}, False
    slots = [SimpleNamespace(since=0.0, close=lambda n=n: closed.append(n)) for n in range(3)]
    for _ in range(3):
        for slot in slots:
            bundle.put("map", slot)
        for _slot in slots:
            bundle.take("map")
    assert len(started) == 1
    bundle.put("map", slots[0])
    slots[0].since -= 2 * seed._IDLE
    started[0]()
    assert closed == [0]
    bundle.put("map", slots[1])
    assert len(started) == 2
