"""How a supervisor is started: apart from the client, with nothing of it but what it is given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framework.errors import BackendError
from framework_runtime_local import starting


def _status(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise AssertionError(name)


@pytest.fixture
def child(tmp_path):
    """A process that is started as a supervisor is, and the read end of its pipe."""
    lock, (reader, writer) = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT), os.pipe()
    leaked = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaked, True)  # noqa: FBT003  the system's own signature
    words = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    pid = starting.start(words, {"A": "1"}, tmp_path / "log", lock, writer)
    try:
        deadline = time.monotonic() + 20
        while (tmp_path / "log").read_text() != "up\n" and time.monotonic() < deadline:
            time.sleep(0.01)
        yield pid, leaked
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in (lock, reader, writer, leaked):
            os.close(fd)


def test_it_has_a_session_of_its_own(child):
    assert os.getsid(child[0]) == child[0]


def test_it_has_five_descriptors_and_none_of_the_clients(child, tmp_path):
    fds = {int(path.name): str(path.readlink()) for path in Path(f"/proc/{child[0]}/fd").iterdir()}
    assert set(fds) == {0, 1, 2, starting.LOCK_FD, starting.WAKE_FD}
    assert fds[0] == os.devnull
    assert fds[1] == fds[2] == str(tmp_path / "log")
    assert fds[starting.LOCK_FD] == str(tmp_path / "lock")
    assert fds[starting.WAKE_FD].startswith("pipe:")


def test_requests_to_end_wait_until_it_can_answer_them(child):
    blocked = int(_status(child[0], "SigBlk"), 16)
    assert blocked == sum(1 << (number - 1) for number in (signal.SIGTERM, signal.SIGINT))


def test_its_environment_is_what_it_is_given(child):
    assert Path(f"/proc/{child[0]}/environ").read_bytes().split(b"\0")[:1] == [b"A=1"]


def test_signals_that_the_client_ignores_are_not_ignored(tmp_path):
    """As in a shell's background job, which ignores SIGINT, or under nohup."""
    script = (
        "import os, signal, sys, time\nfrom pathlib import Path\nfrom framework_runtime_local import starting\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "lock = os.open('lock', os.O_RDWR | os.O_CREAT); reader, writer = os.pipe()\n"
        "pid = starting.start(['/bin/sleep', '60'], {}, Path('log'), lock, writer)\n"
        "while Path(f'/proc/{pid}/comm').read_text() != 'sleep\\n': time.sleep(0.01)\n"
        "print([line.split()[1] for line in open(f'/proc/{pid}/status') if line.startswith('SigIgn')][0])\n"
        "os.kill(pid, signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    ignored = int(done.stdout, 16)
    assert [number for number in signal.valid_signals() if ignored >> (number - 1) & 1] == []


def test_what_cannot_be_started_is_a_backend_error(tmp_path):
    lock, (reader, writer) = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT), os.pipe()
    with pytest.raises(BackendError, match="no-python cannot be started"):
        starting.start([str(tmp_path / "no-python")], {}, tmp_path / "log", lock, writer)
    for fd in (lock, reader, writer):
        os.close(fd)


def test_pythonpath_is_the_handlers_alone():
    document = {"run": {"uid": "0198"}, "env": {"A": "1"}}
    supervisors, handlers = starting.environment(document, {"PYTHONPATH": "/mine", "PYTHONHASHSEED": "0", "A": "0"})
    assert supervisors == {"PYTHONHASHSEED": "0", "A": "1", "FRAMEWORK_RUN_UID": "0198", "FRAMEWORK_RUN_ATTEMPT": "1"}
    assert handlers == {"A": "1", "PYTHONPATH": "/mine"}
    assert document["env"] == {"A": "1"}
