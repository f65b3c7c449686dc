"""The log is what was written, byte by byte, while it is written and in few events."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from framework_run.output import Output

Start = Callable[..., Any]


def written(run: Any, stream: str = "stdout") -> bytes:
    text: str = run.log(stream)
    return text.encode("utf-8", "surrogateescape")


def test_ten_megabytes_on_one_line_come_back_as_they_were(either: Start) -> None:
    run = either("import sys\ndef main():\n    sys.stdout.write('0123456789' * 1_000_000)\n    sys.stdout.flush()\n")
    assert run.end["state"] == "completed"
    assert written(run) == b"0123456789" * 1_000_000
    assert max(len(data["text"].encode()) for data in run.of("log")) <= 32_768


def test_binary_output_comes_back_as_it_was(either: Start) -> None:
    source = """
        import hashlib, os, sys
        def main():
            data = os.urandom(1_000_000) + bytes(range(256)) * 10 + b"\\xe2\\x82"
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            sys.stderr.write(hashlib.sha256(data).hexdigest())
    """
    run = either(source)
    assert run.end["state"] == "completed"
    assert hashlib.sha256(written(run)).hexdigest() == run.log("stderr")


def test_a_frame_on_standard_output_is_text(either: Start) -> None:
    source = """
        from framework_run import frames
        def main():
            print(frames.encode({"kind": "end", "data": {}}, "tok3n"))
            import os
            os.write(1, frames.encode({"kind": "end", "data": {"state": "failed"}}, "tok3n")[0])
    """
    run = either(source)
    assert run.end["state"] == "completed"
    assert b"\n#fw1 tok3n " in written(run)


@pytest.mark.parametrize("close", ["sys.stdout.close()", "os.close(1)", "os.close(1); os.close(2)"])
def test_standard_output_that_was_closed_ends_nothing(handler: Start, close: str) -> None:
    run = handler(f"import os, sys\ndef main():\n    print('before', flush=True)\n    {close}\n    return 1\n")
    assert run.end["state"] == "completed"
    assert run.log() == "before\n"
    assert run.of("result") == [{"values": {"return": 1}}]


def test_output_is_there_while_the_handler_goes_on(either: Start) -> None:
    run = either("import time\ndef main():\n    print('working')\n    time.sleep(60)\n")
    run.says("working")
    assert run.process.poll() is None
    run.ask()
    assert run.end["state"] == "aborted"


def test_many_lines_become_few_events(either: Start) -> None:
    run = either("def main():\n    for number in range(20_000):\n        print('line', number)\n")
    assert run.end["state"] == "completed"
    assert run.log() == "".join(f"line {number}\n" for number in range(20_000))
    assert len(run.of("log")) < 200


def test_nobody_is_there_to_be_read_from(either: Start) -> None:
    run = either("import sys\ndef main():\n    print(repr(sys.stdin.read()))\n")
    assert run.end["state"] == "completed"
    assert run.log() == "''\n"


def test_what_was_written_before_a_kill_is_kept(script: Start) -> None:
    run = script("import os, signal\nprint('before')\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert run.end["cause"] == "Lost"
    assert run.log() == "before\n"


def gathered() -> tuple[Output, list[str]]:
    texts: list[str] = []
    return Output("stdout", lambda data: texts.append(data["text"]), lambda _data: None), texts


def test_a_character_is_not_cut_by_a_flush() -> None:
    output, texts = gathered()
    for piece in (b"a\xe2", b"\x82", b"\xacb"):
        output.add(piece)
        output.flush()
    assert texts == ["a", "€b"]


def test_half_a_character_at_the_end_is_kept() -> None:
    output, texts = gathered()
    output.add(b"a\xe2\x82")
    output.flush(final=True)
    assert "".join(texts).encode("utf-8", "surrogateescape") == b"a\xe2\x82"


def test_output_that_waits_is_due_soon() -> None:
    output, _ = gathered()
    assert output.due is None
    output.add(b"x")
    assert output.due is not None
    assert output.due - time.monotonic() <= 0.05
    output.flush()
    assert output.due is None


def test_the_last_line_is_one_that_can_be_shown() -> None:
    output, _ = gathered()
    output.add(b"first\n\tlast\x07 \n \n")
    output.flush()
    assert output.last_line() == "last"
    output.add(b"y" * 5000)
    output.flush()
    assert output.last_line() == "y" * 299 + "…"
