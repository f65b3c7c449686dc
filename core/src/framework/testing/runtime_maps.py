"""Maps of kinds that start many runs as one: each item has its own records and its own end."""

from __future__ import annotations

import time

from framework.engine.defaults import under
from framework.runtimes import Runtime, Submission
from framework.testing.running import PATIENCE, Live, Ran, RuntimeCase, submission
from framework_run.events import observed_end
from framework_run.uid import new_uid

_CODE = """
def main(n):
    print("number", n)
    if n == 1:
        raise ValueError("the reason")
    return n * n
"""


class MapsSuite(RuntimeCase):
    """Starts three items as one, of which one fails."""

    def test_each_item_of_a_map_has_its_own_records(self, runtime: Runtime) -> None:
        """Told apart by ``event["run"]``, each once, and none ends another."""
        self.needs("map")
        parent = new_uid()
        planned = [self._item(runtime, parent, number) for number in range(3)]
        handle = runtime.map(planned, 2)
        live = Live(runtime, planned[0], handle)
        try:
            deadline = time.monotonic() + PATIENCE
            while len(self._ended(live)) < len(planned):
                assert time.monotonic() < deadline, live.events
                for _ in live._follow(wait=True):  # noqa: SLF001  of the same suite
                    pass
                self._observe(live, planned)
        finally:
            runtime.cleanup(handle)
        found = [self._of(live, item) for item in planned]
        assert [(ran.state, ran.cause) for ran in found] == [
            ("completed", None),
            ("failed", "UserError"),
            ("completed", None),
        ]
        assert [ran.results for ran in found] == [{"return": 0}, {}, {"return": 4}]
        assert [ran.log() for ran in found] == [b"number 0\n", b"number 1\n", b"number 2\n"]
        for ran in found:
            numbers = [event["seq"] for event in ran.events if event["seq"]]
            assert numbers == list(range(1, len(numbers) + 1))

    def _item(self, runtime: Runtime, parent: str, number: int) -> Submission:
        planned = submission(self.kind, _CODE, params={"n": number}, token=parent)
        planned.document["record"]["spec"].update(parent=parent, iteration=number + 1)
        planned.function = under(runtime.defaults, planned.function)
        return planned

    @staticmethod
    def _ended(live: Live) -> set[str]:
        return {event["run"] for event in live.events if event["kind"] == "end"}

    def _observe(self, live: Live, planned: list[Submission]) -> None:
        """Note the ends that only the runtime can tell, as the engine does."""
        seen = live.runtime.observe(live.handle)
        for item in planned if seen.alive is False else []:
            end = seen.ends.get(item.uid, seen.end)
            if end is not None and item.uid not in self._ended(live):
                live.events.append(observed_end(item.document["run"], dict(end)))

    @staticmethod
    def _of(live: Live, item: Submission) -> Ran:
        """One item as a run of its own."""
        return Ran(item, live.handle, [event for event in live.events if event["run"] == item.uid], [])
