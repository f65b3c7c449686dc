from __future__ import annotations

import os
import subprocess
import sys

from framework.cli.documents import complete_run
from framework.cli.run.live import Live
from framework.cli.run.summary import next_commands, summary


def log(text: str, stream: str = "stdout") -> dict:
    return {"kind": "log", "data": {"stream": stream, "text": text}}


def test_the_bytes_of_the_user_come_out_as_they_went_in(capfdbinary):
    content = bytes(range(256)) + "ünï".encode()
    live = Live(apart=False)
    live(log(content.decode("utf-8", "surrogateescape")))
    live(log("to stderr\n", "stderr"))
    live(log("from us\n", "system"))
    live.close()
    assert capfdbinary.readouterr() == (content, b"to stderr\nfrom us\n")


def test_beside_a_json_document_everything_goes_to_standard_error(capfdbinary):
    live = Live(apart=True)
    live(log("hello\n"))
    assert capfdbinary.readouterr() == (b"", b"hello\n")


def test_what_is_noted_behind_a_line_without_an_end_begins_one_of_its_own(capfdbinary):
    live = Live(apart=True)
    live(log("no end"))
    live.finish()
    live.finish()
    live(log("to stderr", "stderr"))
    live({"kind": "state", "data": {"message": "it waits"}})
    live(log("whole\n"))
    live.finish()
    assert capfdbinary.readouterr() == (b"", b"no end\nto stderr\nit waits\nwhole\n")


def test_bytes_that_go_to_a_file_get_no_line_end_of_ours(capfdbinary):
    live = Live(apart=False)
    live(log("no end"))
    live.finish()
    assert capfdbinary.readouterr() == (b"no end", b"")


def test_progress_is_quiet_where_nobody_looks(capfdbinary):
    Live(apart=False)({"kind": "progress", "data": {"done": 1, "total": 2}})
    assert capfdbinary.readouterr() == (b"", b"")


def test_a_reader_that_goes_away_ends_the_printing_and_not_the_run():
    script = (
        "from framework.cli.run.live import Live\n"
        "import sys\n"
        "live = Live(apart=False)\n"
        "for _ in range(1000): live({'kind': 'log', 'data': {'stream': 'stdout', 'text': 'x' * 1000}})\n"
        "sys.stderr.write('still here')\n"
        "sys.stderr.flush()\n"
        "import os; os._exit(0)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"still here")


def ended(**status: object) -> dict:
    run = {"metadata": {"uid": "0198", "name": "train"}, "status": {"started": 1.0, "ended": 3.5, **status}}
    return complete_run(run)


def test_a_completed_run_says_what_it_gave():
    run = ended(state="completed", results={"accuracy": 0.93}, metrics={"loss": 0.2}, artifacts={"model": {}})
    assert list(summary(run)) == [
        "train  \x1b[32mcompleted\x1b[0m in 2.5 s",
        "  results    accuracy=0.93",
        "  metrics    loss=0.2",
        "  artifacts  model",
    ]
    assert next_commands(run, "0198") == ["framework runs show 0198", "framework artifacts list --run 0198"]


def test_a_failed_run_says_cause_evidence_and_advice_after_the_users_own_frames():
    run = ended(
        state="failed",
        cause="UserError",
        message="ValueError: no",
        advice="Look at line 3.",
        traceback='  File "x.py", line 3\nValueError: no\n',
        gaps=["events 3-5 are missing"],
    )
    assert list(summary(run)) == [
        "train  \x1b[31mfailed: UserError\x1b[0m in 2.5 s",
        '    File "x.py", line 3',
        "  ValueError: no",
        "  Look at line 3.",
        "  missing    events 3-5 are missing",
    ]


def test_a_deep_traceback_is_cut_in_its_middle():
    lines = list(summary(ended(state="failed", traceback="\n".join(f"frame {n}" for n in range(1000)))))
    assert len(lines) == 32
    assert lines[1].strip() == "frame 0"
    assert lines[-1].strip() == "frame 999"
    assert any("970 more lines" in line for line in lines)


def test_what_was_just_said_on_standard_error_is_known(capfdbinary):
    live = Live(apart=True)
    for text in ("Traceback (most recent call last):\n", "KeyError: 'x'\n"):
        live({"kind": "log", "data": {"stream": "stderr", "text": text}})
    assert live.has_said("Traceback (most recent call last):\nKeyError: 'x'\n")
    assert not live.has_said("KeyError: 'y'")
