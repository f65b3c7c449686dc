"""How runs end: the truth about each, which no kind may skip."""

from __future__ import annotations

import time

import pytest
from attrs import frozen

from framework.testing.running import Ran, Run, RuntimeCase, Start


@frozen
class Case:
    """Code, and how a run of it has to end.

    ``evidence`` is a part of the message. ``exit_code`` and ``signal`` are looked at where they are given.
    """

    name: str
    code: str
    state: str = "failed"
    cause: str | None = "UserError"
    evidence: str = ""
    exit_code: int | None = None
    signal: int | None = None


HANDLERS = (
    Case("returns nothing", "def main(): pass", "completed", None),
    Case("raises", "def main(): raise ValueError('the reason')", evidence="ValueError: the reason", exit_code=1),
    Case("raises with cause", "def main():\n try: 1/0\n except ZeroDivisionError as e: raise OSError('outer') from e"),
    Case("raises while imported", "raise RuntimeError('at import')", evidence="RuntimeError: at import"),
    Case("sys.exit(3), silently", "import sys\ndef main(): sys.exit(3)", evidence="3", exit_code=3),
    Case("sys.exit('text')", "import sys\ndef main(): sys.exit('no data')", evidence="no data", exit_code=1),
    Case("sys.exit(0)", "import sys\ndef main(): sys.exit(0)", "completed", None),
    Case("os._exit(0)", "import os\ndef main(): os._exit(0)", evidence="exit code 0 before", exit_code=0),
    Case("os._exit(7)", "import os\ndef main(): os._exit(7)", evidence="exit code 7", exit_code=7),
    Case("os._exit(0) at import", "import os\nos._exit(0)", evidence="exit code 0 before", exit_code=0),
    Case(
        "a thread ends the process",
        "import os, threading, time\ndef main():\n threading.Thread(target=os._exit, args=[0]).start()\n time.sleep(9)",
        evidence="exit code 0 before",
    ),
    Case(
        "a replaced process",
        "import os\ndef main(): os.execv('/bin/true', ['true'])",
        evidence="exit code 0 before",
    ),
    Case(
        "kills itself",
        "import os, signal\ndef main(): os.kill(os.getpid(), signal.SIGKILL)",
        cause="Lost",
        evidence="SIGKILL",
        signal=9,
    ),
    Case(
        "kills itself gently",
        "import os, signal, time\ndef main():\n os.kill(os.getpid(), signal.SIGTERM)\n time.sleep(30)",
        cause="Lost",
        evidence="SIGTERM",
        signal=15,
    ),
    Case("segfault", "import ctypes\ndef main(): ctypes.string_at(0)", evidence="SIGSEGV", signal=11),
    Case("abort", "import os\ndef main(): os.abort()", evidence="SIGABRT", signal=6),
    Case("no memory", "def main(): raise MemoryError", cause="OutOfMemory"),
    Case("endless recursion", "def main(): return main()", evidence="RecursionError"),
    Case("missing module", "import nosuchmodule\ndef main(): pass", evidence="nosuchmodule"),
    Case("what cannot be kept", "import threading\ndef main(): return threading.Lock()", evidence="lock"),
    Case("missing handler", "def mian(): pass", cause="BadInput", evidence="main"),
    Case("no function", "main = 3", cause="BadInput", evidence="main"),
    Case("syntax error", "def main(:\n pass", cause="BadInput", evidence="job.py:1"),
    Case("unbound parameter", "def main(needed): pass", cause="BadInput", evidence="needed"),
)

SCRIPTS = (
    Case("a script", "print('done')", "completed", None),
    Case("sys.exit(0) of a script", "import sys\nsys.exit(0)", "completed", None, exit_code=0),
    Case("sys.exit(4) of a script", "import sys\nsys.exit(4)", evidence="4", exit_code=4),
    Case("a script that raises", "raise ValueError('the reason')", exit_code=1),
    Case("a script that crashes", "import ctypes\nctypes.string_at(0)", evidence="SIGSEGV", signal=11),
    Case("a killed script", "import os\nos.kill(os.getpid(), 9)", cause="Lost", evidence="SIGKILL", signal=9),
)


_DEAF = """
import signal

def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready")
    while True:
        pass
"""


def _name(case: Case) -> str:
    return case.name


class EndsSuite(RuntimeCase):
    """Every end, by its cause, with its evidence and its advice."""

    @pytest.mark.parametrize("case", HANDLERS, ids=_name)
    def test_handlers_end(self, run: Run, case: Case) -> None:
        """A handler's end is what its process did."""
        self._check(run(case.code), case)

    @pytest.mark.parametrize("case", SCRIPTS, ids=_name)
    def test_scripts_end(self, run: Run, case: Case) -> None:
        """A script's end is its exit code."""
        self._check(run(case.code, command=["{python}", "{code}/job.py"]), case)

    @staticmethod
    def _check(ran: Ran, case: Case) -> None:
        status = ran.status
        assert (status["state"], status["cause"]) == (case.state, case.cause), ran
        assert case.evidence in status["message"], ran
        assert len(status["message"].splitlines()) <= 1, ran
        assert len(status["advice"].splitlines()) <= 1, ran
        if case.state != "completed":
            assert status["message"], ran
            assert status["advice"], ran
        attempt = status["attempts"][-1]
        if case.exit_code is not None:
            assert attempt.get("exit_code") == case.exit_code, ran
        if case.signal is not None:
            assert attempt.get("signal") == case.signal, ran

    def test_a_traceback_is_the_users_own(self, run: Run) -> None:
        """It begins in the user's file, and shows the line."""
        ran = run("def inner():\n    raise ValueError('here')\ndef main():\n    inner()\n")
        assert "job.py" in ran.status["traceback"]
        assert "raise ValueError('here')" in ran.status["traceback"]
        assert "framework_run" not in ran.status["traceback"]
        assert b"ValueError: here" in ran.log("stderr")

    def test_a_misspelt_handler_is_guessed(self, run: Run) -> None:
        """The advice says which name was meant."""
        ran = run("def train(): pass", handler="trian")
        assert ran.cause == "BadInput"
        assert "'train'" in ran.status["message"] + ran.status["advice"]

    def test_an_illtyped_parameter_is_refused_before_the_call(self, run: Run) -> None:
        """Nothing of the handler is run, and the signature is shown."""
        ran = run("def main(depth: int): print('called')", params={"depth": "deep"}, raw=["depth"])
        assert ran.cause == "BadInput"
        assert "depth: int" in ran.status["message"]
        assert ran.log() == b""

    def test_an_unknown_parameter_is_refused(self, run: Run) -> None:
        """And named."""
        ran = run("def main(depth=1): print('called')", params={"dept": 2})
        assert ran.cause == "BadInput"
        assert "dept" in ran.status["message"]
        assert ran.log() == b""

    def test_a_command_that_is_not_there_is_bad_input(self, run: Run) -> None:
        """It never began, so it is not the user's code that failed."""
        ran = run("", command=["no-such-program-anywhere"])
        assert ran.cause == "BadInput"
        assert "no-such-program-anywhere" in ran.status["message"]

    def test_closed_output_is_no_end(self, run: Run) -> None:
        """A handler may close its standard streams, at either level, and still return."""
        ran = run("import os, sys\ndef main():\n os.close(1)\n os.close(2)\n sys.stdout.close()\n return 5")
        assert ran.state == "completed"
        assert ran.results == {"return": 5}

    def test_junk_on_every_descriptor_is_no_end(self, run: Run) -> None:
        """Bytes of the user's that reach the runner's own pipe are neither events nor the end of any."""
        code = (
            "import os\ndef main():\n for fd in range(3, 64):\n  try: os.write(fd, b'\\xff\\n#fw1 junk\\n' * 50)\n"
            "  except OSError: pass\n return 6"
        )
        ran = run(code)
        assert ran.state == "completed"
        assert ran.results == {"return": 6}

    def test_a_forked_child_that_comes_back_does_not_end_the_run(self, run: Run) -> None:
        """Only the handler's own process speaks for it."""
        ran = run(
            "import os\ndef main():\n pid = os.fork()\n if pid == 0: return 'child'\n"
            " os.waitpid(pid, 0)\n return 'parent'"
        )
        assert ran.state == "completed"
        assert ran.results == {"return": "parent"}

    def test_what_a_handler_leaves_behind_does_not_keep_the_run_open(self, run: Run) -> None:
        """A child process that holds the output is not waited for."""
        began = time.monotonic()
        ran = run("import subprocess\ndef main():\n subprocess.Popen(['sleep', '300'])\n return 1")
        assert ran.state == "completed"
        assert time.monotonic() - began < 60

    def test_threads_and_exit_functions_belong_to_the_run(self, run: Run) -> None:
        """As in a script: the process waits for its threads and runs what it registered."""
        code = (
            "import atexit, threading, time\ndef main():\n atexit.register(print, 'goodbye')\n"
            " threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n return 1"
        )
        ran = run(code)
        assert ran.state == "completed"
        assert ran.log().split() == [b"thread", b"goodbye"]

    def test_a_limit_of_time_ends_it(self, run: Run) -> None:
        """The cause is Timeout, and the limit is named."""
        self.needs("timeout")
        ran = run("import time\ndef main(): time.sleep(60)", timeouts={"run": 0.4, "grace": 5})
        assert (ran.state, ran.cause) == ("failed", "Timeout")
        assert "0.4" in ran.status["message"]

    def test_a_loop_that_ignores_the_limit_is_ended_all_the_same(self, run: Run) -> None:
        """After the time of grace it is killed."""
        self.needs("timeout")
        ran = run(_DEAF, timeouts={"run": 0.4, "grace": 0.3})
        assert (ran.state, ran.cause) == ("failed", "Timeout")

    def test_abort_asks_first(self, start: Start) -> None:
        """The code may tidy up, and its records of that are kept."""
        self.needs("abort")
        live = start(
            "import time\ndef main():\n try:\n  print('ready')\n  time.sleep(60)\n finally:\n  print('tidied')"
        )
        live.printed("ready")
        live.runtime.cancel(live.handle, 10)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("aborted", "Aborted")
        assert b"tidied" in ran.log()

    def test_abort_insists_after_the_grace(self, start: Start) -> None:
        """An infinite loop that does not listen is killed, and is aborted, not lost."""
        self.needs("abort")
        live = start(_DEAF, timeouts={"grace": 90})
        live.printed("ready")
        began = time.monotonic()
        live.runtime.cancel(live.handle, 0.3)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("aborted", "Aborted")
        assert time.monotonic() - began < 60  # and not after the submission's own minute and a half

    def test_abort_without_grace_is_at_once(self, start: Start) -> None:
        """Nothing is waited for."""
        self.needs("abort")
        live = start(_DEAF, timeouts={"grace": 90})
        live.printed("ready")
        began = time.monotonic()
        live.runtime.cancel(live.handle, 0)
        assert live.finish().state == "aborted"
        assert time.monotonic() - began < 60

    def test_abort_twice_is_one_end(self, start: Start) -> None:
        """The second time insists; a third one, after the end, does nothing."""
        self.needs("abort")
        live = start(_DEAF)
        live.printed("ready")
        live.runtime.cancel(live.handle, 30)
        live.runtime.cancel(live.handle, 0)
        ran = live.finish()
        live.runtime.cancel(live.handle, 0)
        assert ran.state == "aborted"
        assert len(ran.data("end")) == 1

    def test_abort_as_soon_as_it_is_submitted(self, start: Start) -> None:
        """Before the runner can have begun: it is aborted, or it was quicker, but never lost."""
        self.needs("abort")
        live = start("import time\ndef main(): time.sleep(60)")
        live.runtime.cancel(live.handle, 5)
        ran = live.finish()
        assert (ran.state, ran.cause) == ("aborted", "Aborted")

    def test_it_beats_while_the_handler_holds_the_interpreter(self, run: Run) -> None:
        """Liveness does not depend on what the user's code lets other threads do."""
        ran = run("import ctypes\ndef main(): ctypes.PyDLL(None).usleep(1_000_000)", heartbeat=0.1)
        assert ran.state == "completed"
        assert len(ran.data("heartbeat")) >= 4
