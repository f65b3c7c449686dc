"""What comes back of a run: everything that was printed, returned and logged, exactly."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from framework.runtimes import Finding, Runtime
from framework.testing.running import Run, RuntimeCase, Start, submission
from framework_run.numbers import decode, encode

_PARAMS: dict[str, Any] = {
    "text": "grüße \u2028 \x00 😀",
    "nothing": None,
    "yes": True,
    "whole": -(2**70),
    "real": 0.1,
    "not_a_number": float("nan"),
    "endless": float("-inf"),
    "several": [1, [2.5, "x"], {"deep": {"$int": "not ours"}}],
}


class RecordsSuite(RuntimeCase):
    """Arguments go in and records come out unchanged."""

    def test_output_is_kept_to_the_byte(self, run: Run) -> None:
        """Whatever bytes they are, split wherever they are, on the stream where they were written."""
        code = "import os\ndef main():\n os.write(1, bytes(range(256)) * 300)\n os.write(2, b'\\xff\\xfe no newline')"
        ran = run(code)
        assert ran.state == "completed"
        assert ran.log() == bytes(range(256)) * 300
        assert ran.log("stderr") == b"\xff\xfe no newline"

    def test_a_line_of_ten_megabytes_is_kept_to_the_byte(self, run: Run) -> None:
        """Nothing depends on lines being short."""
        ran = run("def main(): print('0123456789' * 1_000_000)")
        assert ran.state == "completed"
        assert ran.log() == b"0123456789" * 1_000_000 + b"\n"

    def test_many_lines_arrive_in_order(self, run: Run) -> None:
        """And all of them."""
        ran = run("def main():\n for n in range(20_000): print(n)")
        assert ran.log() == b"".join(b"%d\n" % number for number in range(20_000))

    def test_what_is_printed_is_seen_while_it_runs(self, start: Start) -> None:
        """Not at the end only."""
        live = start("import time\ndef main():\n print('begun')\n time.sleep(30)")
        live.printed("begun")
        assert live.runtime.observe(live.handle).alive is True

    def test_children_of_the_handler_print_into_the_log(self, run: Run) -> None:
        """Their output is the run's."""
        ran = run("import subprocess\ndef main(): subprocess.run(['echo', 'from a child'], check=True)")
        assert ran.log() == b"from a child\n"

    def test_parameters_arrive_as_they_were_given(self, run: Run) -> None:
        """Of every kind that JSON has, and of those that it lacks."""
        ran = run("def main(**given): return given", params=encode(_PARAMS))
        assert ran.state == "completed"
        back = decode(ran.results["return"])
        assert json.dumps(back, sort_keys=True) == json.dumps(_PARAMS, sort_keys=True)

    def test_text_becomes_what_the_annotation_says(self, run: Run) -> None:
        """Only where it came as text."""
        code = "def main(depth: int, rate: float, deep: bool): return [depth, rate, deep]"
        ran = run(code, params={"depth": "3", "rate": "0.5", "deep": "true"}, raw=["depth", "rate", "deep"])
        assert ran.results == {"return": [3, 0.5, True]}

    def test_an_async_handler_is_awaited(self, run: Run) -> None:
        """What it returns is what the coroutine returns."""
        assert run("async def main(): return 3").results == {"return": 3}

    def test_the_environment_is_the_submissions(self, run: Run) -> None:
        """Variables are set before the code is imported."""
        ran = run("import os\nSEEN = os.environ['COLOUR']\ndef main(): return SEEN", env={"COLOUR": "blue=green"})
        assert ran.results == {"return": "blue=green"}

    def test_the_interpreter_obeys_its_variables(self, run: Run) -> None:
        """Those that it reads when it starts, too: a run can be repeated with the same hash seed."""
        self.needs("process")
        code = "import sys\ndef main(): return [hash('a'), sys.flags.hash_randomization]"
        first, second = (run(code, env={"PYTHONHASHSEED": "42"}) for _ in range(2))
        assert first.state == "completed"
        assert first.results == second.results

    def test_a_script_gets_its_arguments(self, run: Run) -> None:
        """Word by word, as they were given."""
        words = ["--name", "two words", "", "*", "$HOME"]
        ran = run("import json, sys\nprint(json.dumps(sys.argv[1:]))", command=["{python}", "{code}/job.py", *words])
        assert json.loads(ran.log()) == words

    def test_the_working_folder_is_the_submissions(self, run: Run, tmp_path: Path) -> None:
        """Where the runtime shares this machine's files."""
        self.needs("process")
        ran = run("import os\ndef main(): return os.getcwd()", workdir=str(tmp_path))
        assert ran.results == {"return": str(tmp_path)}

    def test_inputs_are_paths(self, run: Run, tmp_path: Path) -> None:
        """A parameter of an input's name gets its path."""
        self.needs("process")
        (tmp_path / "data.csv").write_text("a,b\n", encoding="utf-8")
        ran = run("def main(data): return open(data).read()", inputs={"data": {"path": str(tmp_path / "data.csv")}})
        assert ran.results == {"return": "a,b\n"}

    def test_the_handlers_module_is_real(self, run: Run) -> None:
        """It can be pickled, imported by its name from its neighbours, and spawned from."""
        code = (
            "import multiprocessing, pickle\nfrom neighbour import double\nclass Thing: pass\n"
            "def main():\n assert type(pickle.loads(pickle.dumps(Thing()))) is Thing\n"
            " with multiprocessing.get_context('spawn').Pool(1) as pool: return pool.map(double, [1, 2])"
        )
        ran = run(code, files={"neighbour.py": "def double(n): return 2 * n"})
        assert ran.state == "completed", ran
        assert ran.results == {"return": [2, 4]}

    def test_standard_input_is_empty(self, run: Run) -> None:
        """Nobody is there to answer."""
        assert run("import sys\ndef main(): return sys.stdin.read()").results == {"return": ""}

    def test_returns_are_named(self, run: Run) -> None:
        """Each part of the value under the name that was asked for."""
        ran = run("def main(): return 1, 'two'", returns=["one", "two"])
        assert ran.results == {"one": 1, "two": "two"}

    def test_the_context_is_the_runs(self, run: Run) -> None:
        """It knows who it is, from anywhere in the code."""
        code = "import framework as fw\ndef main():\n c = fw.context()\n return [c.uid, c.name, c.project, c.attempt]"
        ran = run(code)
        uid = ran.submission.uid
        assert ran.results == {"return": [uid, "job", "default", 1]}

    def test_results_labels_and_progress_are_kept(self, run: Run) -> None:
        """The last value of a key stands."""
        code = (
            "import framework as fw\ndef main():\n c = fw.context()\n c.log_result('a', 1)\n c.log_result('a', 2)\n"
            " c.log_results({'b': [1, 2], 'c': None})\n c.set_label('stage', 'test')\n c.progress(3, 3)"
        )
        ran = run(code)
        assert ran.results == {"a": 2, "b": [1, 2], "c": None}
        assert ran.merged.document["metadata"]["labels"] == {"stage": "test"}
        assert ran.status["progress"]["done"] == 3

    def test_every_point_of_a_metric_is_kept(self, run: Run) -> None:
        """In order of steps, from threads as well."""
        code = (
            "import framework as fw\ndef main():\n c = fw.context()\n"
            " for step in range(5000): c.log_metric('loss', 1 / (step + 1), step=step)\n"
        )
        ran = run(code)
        points = [
            point
            for chunk in ran.merged.metrics
            if chunk.key == "loss"
            for point in zip(chunk.steps, chunk.values, strict=True)
        ]
        assert points == [(step, 1 / (step + 1)) for step in range(5000)]
        assert ran.status["metrics"] == {"loss": 1 / 5000}

    def test_an_artifact_comes_back_whole(self, run: Run) -> None:
        """Without a storage its content is in the event."""
        code = (
            "import framework as fw, pathlib, tempfile\ndef main():\n with tempfile.TemporaryDirectory() as folder:\n"
            "  path = pathlib.Path(folder, 'data.bin')\n  path.write_bytes(bytes(range(256)))\n"
            "  fw.context().log_artifact('bytes', path)"
        )
        ran = run(code)
        (artifact,) = ran.data("artifact")
        assert ran.state == "completed"
        assert artifact["key"] == "bytes"
        assert artifact["size"] == 256
        assert zlib.decompress(base64.b64decode(artifact["content"])) == bytes(range(256))

    def test_a_child_run_has_its_own_records(self, run: Run) -> None:
        """And its own end, which is not the run's."""
        code = (
            "import framework as fw\ndef main():\n with fw.context().child_run('fold', {'k': 1}) as child:\n"
            "  child.log_result('score', 0.5)\n try:\n"
            "  with fw.context().child_run('bad', {}): raise ValueError('inside')\n"
            " except ValueError: pass\n return 'outer'"
        )
        ran = run(code)
        children = {child.document["metadata"]["name"]: child.document for child in ran.merged.children}
        assert ran.state == "completed"
        assert ran.results == {"return": "outer"}
        assert children["fold"]["status"]["state"] == "completed"
        assert children["fold"]["status"]["results"] == {"score": 0.5}
        assert children["fold"]["spec"]["params"] == {"k": 1}
        assert children["bad"]["status"]["cause"] == "UserError"

    def test_a_script_reports_through_its_context(self, run: Run) -> None:
        """As a handler does."""
        code = "import framework as fw\nfw.context().log_result('a', fw.context().params['n'])"
        ran = run(code, command=["{python}", "{code}/job.py"], params={"n": 4})
        assert ran.state == "completed", ran
        assert ran.results == {"a": 4}

    def test_records_before_a_failure_are_kept(self, run: Run) -> None:
        """What was logged is there, whatever came after."""
        code = "import framework as fw, os\ndef main():\n fw.context().log_result('a', 1)\n print('said')\n os._exit(9)"
        ran = run(code)
        assert ran.state == "failed"
        assert ran.results == {"a": 1}
        assert ran.log() == b"said\n"

    def test_memory_and_time_are_the_runs_own(self, run: Run) -> None:
        """The peak of the handler, not of the process that submitted it."""
        ballast = bytearray(300_000_000)
        ran = run("def main():\n block = bytearray(60_000_000)\n return sum(range(3_000_000))")
        assert len(ballast) > ran.status["peak"]["memory"] > 60_000_000
        assert ran.status["peak"]["cpu"] > 0

    def test_events_are_numbered_without_a_gap(self, run: Run) -> None:
        """From 1, and the end says how many there are."""
        ran = run("import sys\ndef main():\n print('a')\n print('b', file=sys.stderr)\n return 1")
        assert [event["seq"] for event in ran.events] == list(range(1, len(ran.events) + 1))
        assert ran.data("end")[0]["events"] == len(ran.events)
        assert ran.events[0]["kind"] == "state"
        assert ran.status["gaps"] == []

    def test_requirements_are_there(self, run: Run, tmp_path: Path) -> None:
        """The code runs with what it asks for, in an environment that is made once where it is kept."""
        self.needs("requirements")
        requirement = f"fw-suite-wheel @ {self.url_of(_wheel(tmp_path))}"
        code = "import fw_suite_wheel\ndef main(): return fw_suite_wheel.ANSWER"
        first = run(code, requirements=[requirement])
        again = run(code, requirements=[requirement])
        script = run(
            "import fw_suite_wheel, framework as fw\nfw.context().log_result('return', fw_suite_wheel.ANSWER)",
            requirements=[requirement],
            command=["{python}", "{code}/job.py"],
        )
        assert [ran.state for ran in (first, again, script)] == ["completed"] * 3, (first, again, script)
        assert [ran.results for ran in (first, again, script)] == [{"return": 42}] * 3
        assert b"fw-suite-wheel" in first.log("system")
        assert not self.keeps_environments or again.log("system") == b""

    def test_requirements_that_cannot_be_installed_are_bad_input(self, run: Run, tmp_path: Path) -> None:
        """The installer's words are in the log, the gist of them in the message."""
        self.needs("requirements")
        ran = run(
            "def main(): print('called')", requirements=[f"nowhere @ file://{tmp_path}/nowhere-1-py3-none-any.whl"]
        )
        assert (ran.state, ran.cause) == ("failed", "BadInput")
        assert "nowhere" in ran.status["message"]
        assert len(ran.status["message"].splitlines()) == 1
        assert b"nowhere" in ran.log("system")
        assert ran.log() == b""

    def test_a_plan_is_rendered_without_a_trace(self, runtime: Runtime, home: Path) -> None:
        """Rendering is pure: JSON, the same each time, and nothing is written."""
        planned = submission(self.kind, "def main(): pass", env={"TOKEN": "secret-value", "COLOUR": "blue"})
        planned.function.spec.environment.secrets = {"TOKEN": "env:TOKEN"}
        before = sorted(home.rglob("*")) if home.exists() else []
        document = json.loads(json.dumps(planned.document))
        first, second = (json.dumps(runtime.render(planned), sort_keys=True) for _ in range(2))
        assert first == second
        assert "blue" in first
        assert "secret-value" not in first
        assert planned.document == document
        assert (sorted(home.rglob("*")) if home.exists() else []) == before

    def test_preflight_says_what_it_looked_at(self, runtime: Runtime) -> None:
        """Whatever is not so comes with its mend."""
        findings = runtime.preflight(submission(self.kind, "").function)
        assert all(isinstance(finding, Finding) for finding in findings)
        assert all(finding.advice for finding in findings if not finding.ok)


def _wheel(folder: Path) -> Path:
    """A package that needs no network."""
    import zipfile

    path = folder / "fw_suite_wheel-1.0-py3-none-any.whl"
    info = "fw_suite_wheel-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("fw_suite_wheel.py", "ANSWER = 42\n")
        packed.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: fw-suite-wheel\nVersion: 1.0\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return path
