"""What the kind ``local`` adds to the conformance suite."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framework.errors import BackendError, UsageError
from framework.models import Function
from framework.models.function import Volume
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_run import locks
from framework_runtime_local.runtime import LocalRuntime
from framework_runtime_local.spool import Spool, make

SLEEP = "import time\ndef main():\n print('ready')\n time.sleep(60)"


def _over(runtime, handle):
    """Wait until the supervisor has let go."""
    deadline = time.monotonic() + 20
    while runtime.observe(handle).alive is not False:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_fields_of_other_kinds_do_not_hinder_it(runtime):
    function = Function()
    function.spec.environment.image = "registry/image"
    function.spec.placement.node_selector = {"disk": "ssd"}
    function.spec.storage.volumes = [Volume(name="data", mount="/nowhere")]
    function.spec.resources.requests = {"nvidia.com/gpu": 1}
    runtime.validate(function)


def test_several_replicas_are_refused_by_name(runtime):
    function = Function()
    function.spec.scale.replicas = 3
    with pytest.raises(UsageError, match=r"spec\.scale\.replicas is 3") as caught:
        runtime.validate(function)
    assert caught.value.advice


def test_a_python_that_is_nowhere_is_refused_by_name(runtime):
    function = Function()
    function.spec.environment.python = ">=3.99"
    with pytest.raises(UsageError, match=r"spec\.environment\.python is '>=3\.99'"):
        runtime.validate(function)


def test_preflight_names_a_mount_that_is_not_there(runtime):
    function = Function()
    function.spec.storage.volumes = [Volume(name="data", mount="/nowhere/data")]
    found = {finding.subject: finding for finding in runtime.preflight(function)}
    assert found["python"].ok
    assert found["home"].ok
    assert not found["volume data"].ok
    assert "/nowhere/data" in found["volume data"].message


def test_preflight_says_which_secrets_are_here(runtime, tmp_path, monkeypatch):
    monkeypatch.setenv("THERE", "a value")
    monkeypatch.delenv("NOT_THERE", raising=False)
    function = Function()
    function.spec.environment.secrets = {"A": "env:THERE", "B": "env:NOT_THERE", "C": f"file:{tmp_path}/no", "D": "x:y"}
    found = {finding.subject: finding for finding in runtime.preflight(function)}
    assert [found[f"secret {name}"].ok for name in "ABCD"] == [True, False, False, True]
    assert "a value" not in str(found)


def test_a_home_that_cannot_be_made_leaves_nothing_and_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    runtime = LocalRuntime(RuntimeContext(home=str(tmp_path / "file" / "home")))
    with pytest.raises(BackendError) as caught:
        runtime.submit(submission("local", "def main(): pass"))
    assert "FRAMEWORK_HOME" in caught.value.advice


def test_who_follows_reads_all_even_if_somebody_else_tidies_up_first(runtime, home):
    other = LocalRuntime(RuntimeContext(home=str(home)))
    first = submission("local", "def main():\n print('one')\n print('two')\n")
    handle = runtime.submit(first)
    following = runtime.follow(handle, {})
    events, _ = next(following)
    _over(other, handle)
    other.cleanup(handle)
    second = runtime.submit(submission("local", "def main(): pass"))  # which lets go of what is gone
    events += [event for batch, _ in following for event in batch]
    assert "".join(event["data"]["text"] for event in events if event["kind"] == "log") == "one\ntwo\n"
    assert [event["data"]["state"] for event in events if event["kind"] == "end"] == ["completed"]
    _over(runtime, second)
    runtime.cleanup(second)
    assert not runtime._wakers


def test_an_interpreter_that_does_not_start_leaves_nothing(runtime, home, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(BackendError, match="cannot be started"):
        runtime.submit(submission("local", "def main(): pass"))
    assert list((home / "runs").iterdir()) == []


def test_the_lock_says_who_the_supervisor_is_as_soon_as_it_is_submitted(start):
    live = start(SLEEP)
    owner = locks.owner(live.handle["spool"] + "/lock")
    assert owner["pid"] != os.getpid()
    assert owner["start"] == locks.start_time(owner["pid"])


def test_a_handle_of_another_host_tells_nothing(start, runtime):
    live = start(SLEEP)
    other = {**live.handle, "host": "elsewhere", "boot": "another"}
    assert runtime.observe(other).alive is None
    with pytest.raises(BackendError, match="elsewhere"):
        runtime.cancel(other, 0)
    assert runtime.observe(live.handle).alive is True


def test_after_a_restart_of_the_machine_the_run_is_lost(start, runtime):
    live = start(SLEEP)
    live.printed("ready")
    seen = runtime.observe({**live.handle, "boot": "another"})
    assert seen.alive is False
    assert seen.end is not None
    assert (seen.end["cause"], seen.end["message"]) == ("Lost", "the machine was restarted while it ran")


def test_after_a_restart_a_run_that_had_ended_keeps_its_end(start, runtime):
    live = start()
    live.finish()
    seen = runtime.observe({**live.handle, "boot": "another"})
    assert (seen.alive, seen.end) == (False, None)


def test_a_client_that_dies_before_it_starts_the_supervisor_leaves_a_lost_run(runtime, home):
    planned = submission("local", "def main(): pass")
    handle = runtime._handle(planned.document)
    documents = {"submission.json": planned.document, "handle.json": handle}
    _, lock = make(home / "runs", planned.uid, documents)
    assert runtime.observe(handle).alive is True  # it is about to be started
    os.close(lock)
    ran = Live(runtime, planned, handle).finish()
    assert (ran.state, ran.cause) == ("failed", "Lost")
    assert "never started" in ran.status["message"]
    assert [found["spool"] for _, found in runtime.uncollected()] == [handle["spool"]]
    runtime.cleanup(handle)


def test_what_the_supervisor_says_when_it_fails_is_the_evidence(start, runtime):
    live = start(SLEEP)
    live.printed("ready")
    spool = Spool(live.handle["spool"])
    spool.log.write_text("Traceback (most recent call last):\nOSError: [Errno 28] No space left on device\n")
    os.kill(locks.owner(str(spool.lock))["pid"], signal.SIGKILL)
    ran = live.finish()
    assert ran.cause == "BackendError"
    assert "No space left on device" in ran.status["message"]


def test_a_lock_that_a_forked_client_has_inherited_does_not_keep_a_run_alive(start, runtime):
    live = start(SLEEP)
    live.printed("ready")
    spool = Spool(live.handle["spool"])
    os.kill(locks.owner(str(spool.lock))["pid"], signal.SIGKILL)
    _over(runtime, live.handle)
    stray = locks.hold(str(spool.lock))
    try:
        os.ftruncate(stray, 0)
        os.pwrite(stray, json.dumps({"pid": 2**22 + 1, "start": "1", "boot": locks.boot_id()}).encode(), 0)
        assert spool.held
        assert runtime.observe(live.handle).alive is False
    finally:
        os.close(stray)


def test_a_lock_that_nobody_has_signed_belongs_to_a_supervisor_that_begins(runtime, home):
    planned = submission("local", "def main(): pass")
    handle = runtime._handle(planned.document)
    _, lock = make(home / "runs", planned.uid, {"handle.json": handle})
    assert runtime.observe(handle).alive is True
    began = time.monotonic()
    runtime.cancel(handle, 0)  # whom to ask is not known: it gives up, and sends this process nothing
    assert time.monotonic() - began < 10
    os.close(lock)
    runtime.cleanup(handle)


def test_abort_ends_a_run_whose_supervisor_is_stopped(start, runtime):
    live = start(SLEEP)
    live.printed("ready")
    os.kill(locks.owner(live.handle["spool"] + "/lock")["pid"], signal.SIGSTOP)
    runtime.cancel(live.handle, 0)
    assert live.finish().state == "aborted"


def test_no_child_of_the_client_stays_a_zombie(start, runtime):
    live = start()
    live.finish()
    pid = locks.owner(live.handle["spool"] + "/lock")["pid"]
    _over(runtime, live.handle)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        runtime.observe(live.handle)
        time.sleep(0.01)


def test_the_client_keeps_no_descriptor_of_runs_that_are_cleaned_up(start, runtime):
    start().finish()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        live = start()
        live.finish()
        runtime.cleanup(live.handle)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_the_run_outlives_the_terminal_of_its_client(runtime, home, tmp_path):
    """SIGHUP to the client's whole session, as when its terminal is closed."""
    planned = submission("local", "import time\ndef main():\n time.sleep(1)\n return 'done'")
    path = tmp_path / "submission.json"
    path.write_text(json.dumps(planned.document))
    words = [sys.executable, "-m", "framework.testing.client", "local", str(home), str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as client:
        assert client.stdout is not None
        handle = json.loads(client.stdout.readline())
        os.killpg(client.pid, signal.SIGHUP)
    ran = Live(runtime, planned, handle).finish()
    assert ran.results == {"return": "done"}
    runtime.cleanup(handle)


def test_an_attempt_that_was_started_already_is_not_started_again(runtime, home, tmp_path):
    planned = submission("local", f"def main():\n open({str(tmp_path / 'ran')!r}, 'a').write('x')")
    handle = runtime.submit(planned)
    again = LocalRuntime(RuntimeContext(home=str(home))).submit(planned)
    assert again == json.loads(json.dumps(handle))
    Live(runtime, planned, handle).finish()
    assert (tmp_path / "ran").read_text() == "x"
    runtime.cleanup(handle)
