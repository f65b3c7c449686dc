"""Every end says what is true: of handlers, of scripts, and of both."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


def said(end: dict[str, Any]) -> tuple[str, str | None, str]:
    return end["state"], end["cause"], end["message"]


def test_what_returns_is_completed(either: Start) -> None:
    run = either("def main():\n    print('hello')\n")
    assert said(run.end) == ("completed", None, "")
    assert run.end["exit_code"] == 0
    assert run.log() == "hello\n"
    assert run.events[0]["kind"] == "state"
    assert run.events[0]["data"]["state"] == "running"


def test_an_exception_of_a_handler_is_its_evidence(handler: Start) -> None:
    run = handler("def main():\n    raise ValueError('no such luck')\n")
    assert said(run.end) == ("failed", "UserError", "ValueError: no such luck")
    assert "in main" in run.end["traceback"]


def test_an_exception_of_a_script_is_its_evidence(script: Start) -> None:
    run = script("raise ValueError('no such luck')\n")
    assert said(run.end) == ("failed", "UserError", "exit code 1: ValueError: no such luck")
    assert run.end["exit_code"] == 1


def test_a_silent_exit_of_a_script_is_said_to_be_silent(script: Start) -> None:
    run = script("import sys\nsys.exit(3)\n")
    assert said(run.end) == ("failed", "UserError", "exit code 3, and nothing on standard error")
    assert run.end["exit_code"] == 3


def test_a_silent_exit_of_a_handler_is_said_to_be_one(handler: Start) -> None:
    run = handler("import sys\ndef main():\n    sys.exit(3)\n")
    assert said(run.end) == ("failed", "UserError", "it called sys.exit(3)")
    assert run.end["exit_code"] == 3


def test_sys_exit_0_is_an_early_return_without_results(handler: Start) -> None:
    run = handler("import sys\ndef main():\n    sys.exit(0)\n    return 1\n")
    assert run.end["state"] == "completed"
    assert run.of("result") == []


def test_sys_exit_0_of_a_script_is_completed(script: Start) -> None:
    assert script("import sys\nsys.exit(0)\n").end["state"] == "completed"


def test_os_exit_0_in_a_handler_is_no_success(handler: Start) -> None:
    run = handler("import os\ndef main():\n    os._exit(0)\n")
    assert said(run.end) == ("failed", "UserError", "exit code 0 before the handler returned")
    assert run.end["exit_code"] == 0


def test_a_thread_that_ends_the_process_is_no_success(handler: Start) -> None:
    source = """
        import os, threading, time
        def main():
            threading.Thread(target=os._exit, args=(0,)).start()
            time.sleep(20)
    """
    assert said(handler(source).end) == ("failed", "UserError", "exit code 0 before the handler returned")


def test_a_handler_that_replaces_its_process_is_no_success(handler: Start) -> None:
    run = handler("import os\ndef main():\n    os.execvp('true', ['true'])\n")
    assert said(run.end) == ("failed", "UserError", "exit code 0 before the handler returned")


def test_a_child_that_the_handler_forked_does_not_speak_for_it(handler: Start) -> None:
    source = """
        import os, time
        def main():
            if os.fork() == 0:
                return "child"
            time.sleep(0.5)
            raise ValueError("the parent")
    """
    assert said(handler(source).end) == ("failed", "UserError", "ValueError: the parent")


def test_a_script_cannot_say_that_it_returned(script: Start) -> None:
    source = """
        import os
        from framework_run.scripts import from_environment
        channel = from_environment()
        channel.send("returned", {"state": "completed", "cause": None, "message": "", "advice": "", "pid": os.getpid()})
        channel.send("end", {"state": "completed"})
        raise SystemExit(5)
    """
    run = script(source)
    assert (run.end["cause"], run.end["exit_code"]) == ("UserError", 5)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"])
def test_a_crash_is_the_users(either: Start, name: str) -> None:
    run = either(f"import os, signal\ndef main():\n    os.kill(os.getpid(), signal.{name})\n    signal.pause()\n")
    number = int(getattr(signal, name))
    assert said(run.end) == ("failed", "UserError", f"it crashed with signal {number} ({name})")
    assert run.end["signal"] == number


def test_a_segmentation_fault_is_a_crash(either: Start) -> None:
    assert either("import ctypes\ndef main():\n    ctypes.string_at(0)\n").end["signal"] == signal.SIGSEGV


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGUSR1"])
def test_a_signal_that_nobody_here_sent_is_lost(either: Start, name: str) -> None:
    run = either(f"import os, signal\ndef main():\n    os.kill(os.getpid(), signal.{name})\n    signal.pause()\n")
    number = int(getattr(signal, name))
    assert said(run.end) == (
        "failed",
        "Lost",
        f"it was killed by signal {number} ({name}), which was not sent by the framework",
    )
    assert run.end["signal"] == number


def test_the_death_of_a_child_of_a_shell_is_in_its_exit_code(launch: Start) -> None:
    run = launch({"command": ["sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"]})
    message = "exit code 139 (128 + 11: a process that it started died of SIGSEGV)"
    assert said(run.end)[:2] == ("failed", "UserError")
    assert run.end["message"].startswith(message)


def test_a_death_after_the_return_does_not_undo_it(handler: Start) -> None:
    # The handler says "returned" last of all; the signal is sent by another process, before the supervisor has read it.
    source = """
        import os, signal
        from framework_run import handler
        def main():
            say = handler.say
            def then_die(*args):
                say(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            handler.say = then_die
            return 7
    """
    run = handler(source)
    assert said(run.end) == ("completed", None, "it died of signal 9 (SIGKILL) after the handler had returned")
    assert run.of("result") == [{"values": {"return": 7}}]


def test_a_command_that_is_not_there_is_bad_input(launch: Start) -> None:
    run = launch({"command": ["no-such-command", "x"]})
    assert said(run.end) == ("failed", "BadInput", "'no-such-command' cannot be started: No such file or directory")


def test_a_working_folder_that_is_not_there_is_bad_input(either: Start) -> None:
    run = either("def main(): pass", workdir="/no/such/folder")
    expected = "the working folder '/no/such/folder' cannot be used: No such file or directory"
    assert said(run.end) == ("failed", "BadInput", expected)


def test_a_word_with_a_zero_byte_is_bad_input(launch: Start) -> None:
    assert said(launch({"command": ["true", "a\0b"]}).end) == ("failed", "BadInput", "embedded null byte")


def test_an_archive_of_code_that_is_damaged_is_bad_input(launch: Start) -> None:
    run = launch({"folder": None, "archive": "bm8gemlw", "command": ["true"]})
    assert run.end["cause"] == "BadInput"
    assert "archive" in run.end["message"]


def test_requirements_that_are_none_are_bad_input(either: Start, tmp_path: Path) -> None:
    run = either("def main(): pass", requirements=["--index-url=x"], environments=str(tmp_path / "envs"))
    assert said(run.end) == ("failed", "BadInput", "'--index-url=x' is no requirement")


def test_every_failure_has_one_line_of_evidence_and_one_of_advice(script: Start) -> None:
    end = script("import sys\nsys.stderr.write('one\\n\\x1b[31mtwo\\n\\n')\nsys.exit(1)\n").end
    assert end["message"] == "exit code 1: [31mtwo"
    assert end["advice"]
    assert "\n" not in end["advice"]
