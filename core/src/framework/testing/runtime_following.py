"""Following a run from any point, by any process: nothing is lost and nothing comes twice."""

from __future__ import annotations

import json
import time

from framework.runtimes import Cursor
from framework.testing.running import PATIENCE, Live, RuntimeCase, Start

_TALK = """
import time

def main(lines=40, pause=0.01):
    for line in range(lines):
        print("line", line)
        time.sleep(pause)
    return lines
"""


class FollowingSuite(RuntimeCase):
    """The cursor is all that a follower keeps."""

    def test_from_any_cursor_the_rest_comes_once(self, start: Start) -> None:
        """By a runtime that knows nothing but the handle."""
        live = start(_TALK)
        ran = live.finish()
        assert len(ran.cursors) > 2
        for seen, cursor in [(0, {}), *ran.cursors]:
            other = live.another()
            rest = [
                event
                for events, _ in other.runtime.follow(other.handle, json.loads(json.dumps(cursor)), wait=False)
                for event in events
            ]
            assert [event["seq"] for event in rest] == [event["seq"] for event in ran.events[seen:]]

    def test_a_follower_that_stops_after_each_batch_misses_nothing(self, start: Start) -> None:
        """As one whose process is replaced all the time."""
        live = start(_TALK)
        cursor: Cursor = {}
        numbers: list[int] = []
        deadline = time.monotonic() + PATIENCE
        ended = False
        while not ended:
            assert time.monotonic() < deadline
            other = live.another()
            for events, behind in other.runtime.follow(other.handle, cursor):
                cursor = behind
                numbers += [event["seq"] for event in events]
                ended = any(event["kind"] == "end" for event in events)
                if events:
                    break
        assert numbers == list(range(1, len(numbers) + 1))

    def test_two_followers_see_the_same(self, start: Start) -> None:
        """One does not take anything from the other."""
        live = start(_TALK)
        other = live.another()
        live.printed("line 10\n")
        second = other.finish()
        first = live.finish()
        assert first.events == second.events

    def test_without_waiting_it_stops_at_what_is_there(self, start: Start) -> None:
        """And the rest comes later."""
        live = start("import time\ndef main():\n print('begun')\n time.sleep(5)\n return 1")
        live.printed("begun")
        there = list(live.runtime.follow(live.handle, live.cursor, wait=False))
        assert all(event["kind"] != "end" for events, _ in there for event in events)
        assert live.finish().state == "completed"

    def test_while_nothing_happens_the_caller_gets_to_look_at_the_clock(self, start: Start) -> None:
        """At least every half second, by the starter and by others."""
        live = start("import time\ndef main():\n print('begun')\n time.sleep(60)")
        live.printed("begun")
        for follower in (live, live.another()):
            self._drained(follower)
            began = time.monotonic()
            for events, _ in follower.runtime.follow(follower.handle, follower.cursor):
                assert events == []
                break
            assert time.monotonic() - began < 30  # and not the minute that the handler takes

    def test_following_an_ended_run_ends(self, start: Start) -> None:
        """From its last cursor there is nothing more."""
        live = start("def main(): pass")
        live.finish()
        assert [events for events, _ in live.runtime.follow(live.handle, live.cursor) if events] == []

    @staticmethod
    def _drained(live: Live) -> None:
        for events, cursor in live.runtime.follow(live.handle, live.cursor, wait=False):
            live.events += events
            live.cursors.append((len(live.events), cursor))
