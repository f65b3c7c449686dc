"""The supervisor's way back: an event file with its lock and wake-up, frames, and what happens when they fail."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framework_run import locks
from framework_run.frames import Decoder

Start = Callable[..., Any]


def inherit(fd: int) -> None:
    os.set_inheritable(fd, True)  # noqa: FBT003  the system's own signature


def decoded(stream: bytes) -> tuple[list[dict[str, Any]], bytes]:
    decoder = Decoder("tok3n")
    items = decoder.feed(stream) + decoder.close()
    return [i for i in items if isinstance(i, dict)], b"".join(i for i in items if isinstance(i, bytes))


def test_the_lock_is_held_to_the_end_and_names_the_supervisor(script: Start, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    fd = locks.hold(str(path))
    inherit(fd)
    run = script(
        "import time\ntime.sleep(60)\n",
        popen={"pass_fds": [fd]},
        carrier={"type": "file", "path": str(tmp_path / "events"), "lock_fd": fd},
    )
    os.close(fd)
    run.until(lambda: run.of("state"))
    owner = locks.owner(str(path))
    assert owner["pid"] == run.process.pid
    assert owner["start"] == locks.start_time(run.process.pid)
    assert locks.is_held(str(path))
    with pytest.raises(BlockingIOError):
        locks.hold(str(path))
    run.ask()
    assert run.end["state"] == "aborted"
    assert not locks.is_held(str(path))


def test_the_lock_goes_with_a_supervisor_that_is_killed(script: Start, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    fd = locks.hold(str(path))
    inherit(fd)
    run = script(
        "import os, time\nprint('working')\ntime.sleep(60)\n",
        popen={"pass_fds": [fd]},
        carrier={"type": "file", "path": str(tmp_path / "events"), "lock_fd": fd},
    )
    os.close(fd)
    run.says("working")
    run.process.kill()
    run.until(lambda: not locks.is_held(str(path)))


def test_who_follows_is_woken(script: Start, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    inherit(writer)
    run = script(
        "import time\nprint('working')\ntime.sleep(60)\n",
        popen={"pass_fds": [writer]},
        carrier={"type": "file", "path": str(tmp_path / "events"), "wake_fd": writer},
    )
    os.close(writer)
    while "working" not in run.log():
        ready, _, _ = select.select([reader], [], [], 30)
        assert ready
        assert set(os.read(reader, 4096)) == {ord(".")}
    run.ask()
    assert run.end["state"] == "aborted"
    while os.read(reader, 4096):  # until the supervisor has gone
        pass
    os.close(reader)


@pytest.mark.parametrize("reading", [True, False], ids=["full", "gone"])
def test_a_follower_that_does_not_listen_holds_nothing_up(script: Start, tmp_path: Path, reading: bool) -> None:
    reader, writer = os.pipe()
    inherit(writer)
    if reading:
        os.set_blocking(writer, False)
        while select.select([], [writer], [], 0)[1]:
            os.write(writer, b"x" * 4096)
    else:
        os.close(reader)
    run = script(
        "print('working')\n",
        popen={"pass_fds": [writer]},
        carrier={"type": "file", "path": str(tmp_path / "events"), "wake_fd": writer},
    )
    os.close(writer)
    assert run.end["state"] == "completed"
    if reading:
        os.close(reader)


def test_frames_share_standard_output(launch: Start) -> None:
    run = launch(
        {"command": ["sh", "-c", "echo hello"]},
        popen={"stdout": subprocess.PIPE},
        carrier={"type": "frames"},
    )
    stream, _ = run.process.communicate(timeout=30)
    events, foreign = decoded(stream)
    assert [event["kind"] for event in events] == ["state", "environment", "log", "end"]
    assert events[-1]["data"]["state"] == "completed"
    assert foreign == b""


def test_a_reader_that_has_gone_does_not_stop_the_work(launch: Start, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = launch(
        {"command": ["sh", "-c", "echo hello; sleep 0.2; echo more; touch done"]},
        popen={"stdout": writer},
        carrier={"type": "frames"},
        workdir=str(tmp_path),
    )
    os.close(writer)
    assert run.status == 0
    assert (tmp_path / "done").exists()


def test_standard_output_that_is_closed_from_the_beginning_is_no_file_of_ours(launch: Start, tmp_path: Path) -> None:
    run = launch(
        {"command": ["sh", "-c", "echo hello; touch done"]},
        popen={"preexec_fn": lambda: [os.close(fd) for fd in (0, 1)]},
        carrier={"type": "frames"},
        workdir=str(tmp_path),
    )
    assert run.status == 0
    assert (tmp_path / "done").exists()


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing(launch: Start) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    run = launch(
        {"command": ["{python}", "-c", "print('x' * 1_000_000)"]},
        popen={"stdout": writer},
        carrier={"type": "frames"},
    )
    os.close(writer)
    stream = b""
    while piece := os.read(reader, 65_536):
        stream += piece
        time.sleep(0.001)
    os.close(reader)
    events, _ = decoded(stream)
    assert "".join(event["data"]["text"] for event in events if event["kind"] == "log") == "x" * 1_000_000 + "\n"
    assert run.status == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_the_run_and_says_so(script: Start, small_disk: Path, is_gone: Callable[[int], bool]) -> None:
    run = script(
        "while True:\n    print('x' * 999)\n",
        carrier={"type": "file", "path": str(small_disk / "events"), "wake_fd": None},
    )
    run.path = small_disk / "events"
    pid = run.handler
    assert run.status == 1
    end = run.events[-1]
    assert (end["kind"], end["data"]["cause"]) == ("end", "BackendError")
    assert end["data"]["message"] == "events cannot be written: No space left on device"
    assert end["data"]["advice"] == "Make room on the disk, and run it again."
    assert is_gone(pid)


def test_a_disk_without_any_room_is_said_on_standard_error(script: Start) -> None:
    run = script("print(1)", popen={"stderr": subprocess.PIPE}, carrier={"type": "file", "path": "/dev/full"})
    _, stderr = run.process.communicate(timeout=30)
    assert run.status == 1
    assert stderr == b"the end could not be recorded: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError: 'version'"),
        ('{"version": 2}', "$.version is 2, and only 1 is known here"),
        ('{"version": 1, "run": {}}', "$.run.uid is missing"),
        ('{"version": 1, "run": {"uid": "1"}, "code": {}, "carrier": {"type": "frames"}}', "$.token is missing"),
    ],
)
def test_what_is_no_submission_is_refused(runner: Path, text: str, complaint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(runner), "-"], input=text, text=True, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("no readable submission: ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_submission_that_is_not_there_is_refused(runner: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(runner), "/no/such.json"], text=True, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "No such file or directory: '/no/such.json'" in done.stderr


@pytest.mark.parametrize("carrier", [{"type": "pigeon"}, {"type": "file", "path": "/no/such/folder/events"}])
def test_a_carrier_that_cannot_be_opened_starts_nothing(launch: Start, tmp_path: Path, carrier: dict[str, Any]) -> None:
    run = launch(
        {"command": ["touch", "done"]}, popen={"stderr": subprocess.PIPE}, carrier=carrier, workdir=str(tmp_path)
    )
    _, stderr = run.process.communicate(timeout=30)
    assert run.status == 1
    assert stderr.startswith(b"the carrier cannot be opened: ")
    assert not (tmp_path / "done").exists()


def test_a_fault_of_the_supervisor_is_an_end_as_well(
    script: Start, tmp_path: Path, is_gone: Callable[[int], bool]
) -> None:
    run = script("import time\ntime.sleep(60)\n", heartbeat="often")
    end = run.end
    assert (end["state"], end["cause"]) == ("failed", "BackendError")
    assert end["message"].startswith("the supervisor failed: TypeError: ")


def test_the_environment_and_the_folder_are_those_of_the_submission(launch: Start, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    run = launch({"command": ["sh", "-c", "echo $KEY; pwd"]}, env={"KEY": "value"}, workdir=str(tmp_path / "elsewhere"))
    assert run.end["state"] == "completed"
    assert run.log() == f"value\n{tmp_path / 'elsewhere'}\n"


def test_a_script_finds_its_context(script: Start) -> None:
    source = """
        import framework as fw
        context = fw.context()
        context.log_result("depth", context.params["depth"])
        context.log_metric("loss", 0.5, step=1)
    """
    run = script(source, params={"depth": 4})
    assert run.end["state"] == "completed", run.log("stderr")
    assert run.of("result") == [{"values": {"depth": 4}}]
    assert [data["values"] for data in run.of("metric")] == [[0.5]]


def test_an_end_is_written_when_the_submission_comes_on_standard_input(runner: Path, tmp_path: Path) -> None:
    document = {
        "version": 1,
        "run": {"uid": "1"},
        "code": {"folder": str(tmp_path), "command": ["true"]},
        "carrier": {"type": "frames"},
        "token": "tok3n",
    }
    done = subprocess.run(
        [sys.executable, "-I", str(runner), "-"],
        input=json.dumps(document).encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    events, _ = decoded(done.stdout)
    assert done.returncode == 0
    assert events[-1]["data"]["state"] == "completed"
