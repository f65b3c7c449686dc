"""Who dies, and what is kept: the cells of the durability table, and what an observer may conclude."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from framework.runtimes import Handle, Runtime
from framework.testing.running import Live, Ran, Run, RuntimeCase, Start, submission

_STEPS = """
import os, time
import framework as fw

def main(steps=100, pause=0.02):
    for step in range(steps):
        fw.context().log_result(f"step-{step}", step)
        print("step", step)
        time.sleep(pause)
    return "done"
"""

_WAITS = """
import signal, time

def main():
    told = []
    signal.signal(signal.SIGUSR1, lambda *_: told.append(True))
    print("ready")
    while not told:
        time.sleep(0.02)
    return "done"
"""


class DeathsSuite(RuntimeCase):
    """Kills the pieces of a run.

    Override the methods ``pid_of_…`` or ``kill_…`` where they are not processes of this machine.
    """

    def pid_of_handler(self, live: Live) -> int:
        """The handler's process, as its first event says."""
        return self.pid_here(live, int(live.until(lambda event: event["kind"] == "state")["data"]["pid"]))

    def pid_here(self, live: Live, number: int) -> int:  # noqa: ARG002  for kinds whose runs have numbers of their own
        """A process of the run, by the number that the run knows it by."""
        return number

    def pid_of_supervisor(self, live: Live) -> int:
        """The parent of the handler's process."""
        text = Path(f"/proc/{self.pid_of_handler(live)}/stat").read_text(encoding="ascii", errors="replace")
        return int(text.rpartition(")")[2].split()[1])  # field 4 of proc(5)

    def kill_handler(self, live: Live) -> None:
        """Kill the handler's process, as the kernel would."""
        os.kill(self.pid_of_handler(live), signal.SIGKILL)

    def kill_supervisor(self, live: Live) -> None:
        """Kill the supervisor, as the kernel would."""
        os.kill(self.pid_of_supervisor(live), signal.SIGKILL)

    def test_when_the_handler_dies_its_records_are_kept(self, start: Start) -> None:
        """The supervisor writes the end, with the signal as its evidence."""
        live = start(_STEPS)
        live.printed("step 5\n")
        self.kill_handler(live)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("failed", "Lost")
        assert "SIGKILL" in ran.status["message"]
        assert not ran.status["provisional"]
        self._whole(ran, at_least=5)

    def test_when_the_supervisor_dies_the_run_is_lost_and_over(self, start: Start) -> None:
        """What was written is kept, the end is an observer's, and the handler does not go on unwatched."""
        live = start(_STEPS)
        handler = self.pid_of_handler(live)
        live.printed("step 5\n")
        self.kill_supervisor(live)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("failed", "Lost")
        assert ran.status["provisional"]
        assert ran.status["message"]
        assert ran.status["advice"]
        self._whole(ran, at_least=5)
        _gone(handler)

    def test_what_the_handler_started_is_over_too(self, start: Start) -> None:
        """When the supervisor is gone, so are the children of the handler, in whatever session they are."""
        code = (
            "import subprocess, time\ndef main():\n"
            " child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
            " print('child', child.pid)\n time.sleep(60)"
        )
        live = start(code)
        live.printed("\n")
        child = self.pid_here(live, int(live.so_far().log().split()[1]))
        self.kill_supervisor(live)
        assert live.finish().cause == "Lost"
        _gone(child)

    def test_when_supervisor_and_handler_die_the_run_is_lost(self, start: Start) -> None:
        """At the same moment, so that nobody is left to say anything."""
        live = start(_STEPS)
        handler, supervisor = self.pid_of_handler(live), self.pid_of_supervisor(live)
        live.printed("step 5\n")
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(handler, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("failed", "Lost")
        self._whole(ran, at_least=5)

    def test_when_the_client_dies_the_run_goes_on(self, runtime: Runtime, home: Path, tmp_path: Path) -> None:
        """Its true end is there for whoever looks next."""
        self.needs("detach")
        live = self._from_another_process(runtime, home, tmp_path, {"steps": 100})
        ran = live.finish()
        assert ran.state == "completed", ran
        assert ran.results["return"] == "done"
        self._whole(ran, at_least=100)
        runtime.cleanup(live.handle)

    def test_when_client_supervisor_and_handler_die_the_run_is_lost(
        self, runtime: Runtime, home: Path, tmp_path: Path
    ) -> None:
        """Power apart, the worst that can happen."""
        self.needs("detach")
        live = self._from_another_process(runtime, home, tmp_path, {"steps": 500})
        live.printed("step 3\n")
        self.kill_supervisor(live)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("failed", "Lost")
        self._whole(ran, at_least=3)
        runtime.cleanup(live.handle)

    def test_a_client_that_dies_before_it_has_recorded_the_run_is_made_good(self, start: Start) -> None:
        """The runtime knows what it has started."""
        self.needs("detach")
        live = start("def main(): return 1")
        found = {record["metadata"]["uid"]: handle for record, handle in live.runtime.uncollected()}
        assert json.loads(json.dumps(found[live.submission.uid])) == live.handle
        live.finish()
        live.runtime.cleanup(live.handle)
        assert live.submission.uid not in {record["metadata"]["uid"] for record, _ in live.runtime.uncollected()}

    def test_a_stopped_supervisor_is_alive(self, start: Start) -> None:
        """A suspended machine is not a dead one; when it goes on, so does the run, to its own end."""
        live = start(_WAITS)
        live.printed("ready")
        supervisor = self.pid_of_supervisor(live)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            time.sleep(0.3)
            assert live.runtime.observe(live.handle).alive is True
        finally:
            os.kill(supervisor, signal.SIGCONT)
        self._goes_on(live)

    def test_a_jump_of_the_clock_kills_nobody(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        """A year forward or back, on either clock of the observer."""
        live = start(_WAITS)
        live.printed("ready")
        year = 365 * 86_400
        for clock in ("time", "monotonic"):
            real = getattr(time, clock)
            for jump in (year, -year):
                with monkeypatch.context() as patch:
                    patch.setattr(time, clock, lambda real=real, jump=jump: real() + jump)
                    assert live.runtime.observe(live.handle).alive is True
        self._goes_on(live)

    def _goes_on(self, live: Live) -> None:
        """Tell a run that waits for it to come to its own end: it has taken no harm."""
        os.kill(self.pid_of_handler(live), signal.SIGUSR1)
        ran = live.finish()
        assert ran.state == "completed", ran
        assert ran.results == {"return": "done"}

    def test_an_ended_run_is_not_alive_and_suggests_no_other_end(self, run: Run, runtime: Runtime) -> None:
        """The run's own word stands."""
        ran = run("def main(): pass")
        deadline = time.monotonic() + 10
        while (seen := runtime.observe(ran.handle)).alive is not False:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert seen.end is None

    def test_cleanup_leaves_nothing(self, run: Run, runtime: Runtime, home: Path) -> None:
        """Neither files nor processes of the run; and the second time it finds nothing to do."""
        run("def main(): pass")
        before = _files(home)
        ran = run("import subprocess\ndef main(): subprocess.Popen(['sleep', '300'], start_new_session=True)")
        runtime.cleanup(ran.handle)
        runtime.cleanup(ran.handle)
        left = {path for path in _files(home) - before if ran.submission.uid in path}
        assert left == set()
        deadline = time.monotonic() + 10
        while _processes_of(ran.submission.uid):  # a supervisor that has written its end is about to go
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert runtime.observe(ran.handle).alive is not True

    def test_eight_at_once_do_not_disturb_each_other(self, start: Start) -> None:
        """Submitted from eight threads, each gets its own records."""
        code = "def main(n):\n print('number', n)\n return n"
        ended: dict[int, Ran] = {}

        def submit(number: int) -> None:
            live: Live = start(code, params={"n": number})
            ended[number] = live.finish()

        threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {number: ran.results for number, ran in ended.items()} == {n: {"return": n} for n in range(8)}
        assert all(ran.log() == f"number {number}\n".encode() for number, ran in ended.items())

    @staticmethod
    def _whole(ran: Ran, *, at_least: int) -> None:
        """What is there of a run of steps has no gap, and nothing twice."""
        steps = [value for key, value in ran.results.items() if key.startswith("step-")]
        assert steps == list(range(len(steps)))
        assert len(steps) >= at_least
        numbers = [event["seq"] for event in ran.events if event["seq"]]
        assert numbers == list(range(1, len(numbers) + 1))

    def _from_another_process(self, runtime: Runtime, home: Path, folder: Path, params: dict[str, Any]) -> Live:
        """Submit from a client of its own, and kill the client while it follows."""
        planned = submission(self.kind, _STEPS, params=params)
        path = folder / "submission.json"
        path.write_text(json.dumps(planned.document), encoding="utf-8")
        words = [sys.executable, "-m", "framework.testing.client", self.kind, str(home), str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as client:
            assert client.stdout is not None
            handle: Handle = json.loads(client.stdout.readline())
            live = Live(runtime, planned, handle)
            live.printed("step 2\n")
            os.killpg(client.pid, signal.SIGKILL)
        return live


def _gone(pid: int) -> None:
    """Wait until a process has ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = (
                Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
            )
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} goes on")


def _files(home: Path) -> set[str]:
    return {str(path) for path in home.rglob("*")} if home.exists() else set()


def _processes_of(uid: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"FRAMEWORK_RUN_UID={uid}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
