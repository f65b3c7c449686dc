"""A handler's process: what it is given, and what is known of it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from framework_run.frames import Decoder

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="signals to a forked handler are tested on Linux")


def test_parameters_are_bound_and_the_return_value_is_a_result(run):
    ran = run("def main(a: int, b: float = 2.0) -> float:\n    return a * b", params={"a": "21"}, raw=["a"])
    assert ran.status == 0
    assert ran.results == {"return": 42.0}
    assert ran.end["state"] == "completed"


def test_numbers_that_json_cannot_carry_arrive_as_they_are(run):
    ran = run(
        "def main(big: int, bad: float):\n    assert bad != bad\n    return big + 1",
        params={"big": {"$int": str(2**70)}, "bad": {"$float": "nan"}},
    )
    assert ran.results == {"return": {"$int": str(2**70 + 1)}}


def test_returns_name_results_and_artifacts(run):
    ran = run("def main():\n    return {1, 2}, 0.5", returns=["model:pickle", "accuracy"])
    assert ran.results == {"accuracy": 0.5}
    (artifact,) = ran.of("artifact")
    assert (artifact["key"], artifact["format"], artifact["name"]) == ("model", "pickle", "model.pkl")


def test_an_exception_is_the_users_error_with_the_users_frames_only(run):
    ran = run("def main():\n    inner()\n\ndef inner():\n    raise ValueError('no such thing\\nsecond line')")
    assert ran.status == 1
    assert (ran.end["cause"], ran.end["message"]) == ("UserError", "ValueError: no such thing")
    frames = [line for line in ran.end["traceback"].splitlines() if line.startswith("  File")]
    assert len(frames) == 2
    assert all("code_of_user.py" in line for line in frames)
    assert ran.log("stderr") == ran.end["traceback"]


def test_the_traceback_of_a_coroutine_begins_with_the_users_frames(run):
    ran = run("async def main():\n    return 1 / 0")
    frames = [line for line in ran.end["traceback"].splitlines() if line.startswith("  File")]
    assert len(frames) == 1
    assert "code_of_user.py" in frames[0]


def test_the_chain_of_causes_stays_in_the_traceback(run):
    ran = run(
        """
        def main():
            try:
                1 / 0
            except ZeroDivisionError as error:
                raise KeyError("outer") from error
        """
    )
    assert "ZeroDivisionError" in ran.end["traceback"]
    assert ran.end["message"] == "KeyError: 'outer'"


def test_sys_exit_zero_is_an_early_return(run):
    ran = run("import sys\n\ndef main():\n    sys.exit(0)")
    assert (ran.status, ran.end["state"], ran.results) == (0, "completed", {})


def test_sys_exit_with_a_number_is_the_users_error_with_that_code(run):
    ran = run("import sys\n\ndef main():\n    sys.exit(3)")
    assert (ran.status, ran.end["cause"], ran.end["exit_code"]) == (1, "UserError", 3)
    assert ran.end["message"] == "it called sys.exit(3)"


def test_the_text_of_sys_exit_is_said_on_standard_error(run):
    ran = run("import sys\n\ndef main():\n    sys.exit('the model is missing')")
    assert (ran.end["cause"], ran.end["exit_code"]) == ("UserError", 1)
    assert "the model is missing" in ran.end["message"]
    assert ran.log("stderr") == "the model is missing\n"


def test_os_exit_is_no_completion(run):
    ran = run("import os\n\ndef main():\n    print('half', flush=True)\n    os._exit(0)")
    assert (ran.status, ran.end["state"], ran.end["cause"]) == (1, "failed", "UserError")
    assert ran.log("stdout") == "half\n"


def test_a_thread_that_ends_the_process_is_no_completion(run):
    ran = run(
        """
        import os, threading, time

        def main():
            threading.Timer(0.1, os._exit, (0,)).start()
            return 1
        """
    )
    assert (ran.end["state"], ran.end["cause"]) == ("failed", "UserError")
    assert ran.results == {"return": 1}


def test_memory_error_is_out_of_memory(run):
    ran = run("def main():\n    raise MemoryError")
    assert ran.end["cause"] == "OutOfMemory"


def test_coroutines_and_generators_come_to_their_values(run):
    source = """
    import asyncio

    async def coroutine():
        await asyncio.sleep(0)
        return 7

    def generator():
        yield from (1, 2)

    async def both():
        yield 1
        await asyncio.sleep(0)
        yield 2
    """
    assert run(source, "coroutine").results == {"return": 7}
    assert run(source, "generator").results == {"return": [1, 2]}
    assert run(source, "both").results == {"return": [1, 2]}


def test_threads_are_joined_and_exit_functions_run_before_the_end(run):
    ran = run(
        """
        import atexit, threading, time
        from framework_run.current import get

        def late():
            time.sleep(0.2)
            get().log_result("late", 1)

        def main():
            atexit.register(print, "at exit")
            threading.Thread(target=late).start()
        """
    )
    assert ran.results == {"late": 1}
    assert ran.log("stdout") == "at exit\n"
    assert ran.end["state"] == "completed"


def test_an_exit_function_that_raises_is_said_and_changes_no_end(run):
    ran = run("import atexit\n\ndef main():\n    atexit.register(lambda: 1 / 0)\n    return 1")
    assert ran.end["state"] == "completed"
    assert "ZeroDivisionError" in ran.log("stderr")


@needs_linux
def test_sigterm_unwinds_the_stack_and_nobody_here_sent_it(run):
    ran = run(
        """
        import os, signal

        def main():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                while True:
                    signal.pause()
            finally:
                print("cleaned up")
        """
    )
    assert ran.log("stdout") == "cleaned up\n"
    assert (ran.end["cause"], ran.end["signal"]) == ("Lost", 15)


@needs_linux
def test_a_worker_dies_of_sigterm_as_without_us(run):
    ran = run(
        """
        import multiprocessing, signal

        def wait():
            signal.pause()

        def main():
            codes = set()
            for _ in range(30):
                worker = multiprocessing.get_context("fork").Process(target=wait)
                worker.start()
                worker.terminate()
                worker.join()
                codes.add(worker.exitcode)
            return sorted(codes)
        """
    )
    assert ran.results == {"return": [-15]}


def test_a_forked_child_that_comes_back_says_nothing(run):
    ran = run(
        "import os\n\ndef main():\n    pid = os.fork()\n    if pid:\n        os.waitpid(pid, 0)\n    return bool(pid)"
    )
    assert [data["values"] for data in ran.of("result")] == [{"return": True}]
    assert ran.end["state"] == "completed"


def test_a_forked_child_that_comes_back_does_not_complete_the_run(run):
    ran = run(
        """
        import os

        def main():
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
                os._exit(0)
        """
    )
    assert (ran.end["state"], ran.end["cause"]) == ("failed", "UserError")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_module_is_found_by_workers_of_multiprocessing(run, method):
    ran = run(
        """
        import multiprocessing
        from dataclasses import dataclass

        @dataclass
        class Point:
            x: int

        def double(point):
            return Point(2 * point.x)

        def main(method: str):
            with multiprocessing.get_context(method).Pool(2) as pool:
                return [point.x for point in pool.map(double, [Point(1), Point(2)])]
        """,
        params={"method": method},
    )
    assert ran.results == {"return": [2, 4]}, ran.log("stderr")


def test_metrics_of_forked_workers_are_kept_and_none_twice(run):
    ran = run(
        """
        import multiprocessing
        from framework_run.current import get

        def work(number):
            for step in range(30):
                get().log_metric(f"worker{number}", step, step)

        def main():
            for step in range(50):
                get().log_metric("parent", step)
            context = multiprocessing.get_context("fork")
            workers = [context.Process(target=work, args=(number,)) for number in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        """
    )
    steps: dict[str, list[int]] = {}
    for data in ran.of("metric"):
        steps.setdefault(data["key"], []).extend(data["steps"])
    assert {key: sorted(found) for key, found in steps.items()} == {
        "parent": list(range(50)),
        "worker0": list(range(30)),
        "worker1": list(range(30)),
    }


def test_pickle_and_inspect_see_a_real_module(run):
    ran = run(
        """
        import inspect, pickle

        class Model:
            pass

        def main():
            again = pickle.loads(pickle.dumps(Model()))
            source = inspect.getsource(Model).strip()
            return type(again) is Model, __name__, source, __file__.endswith("code_of_user.py")
        """
    )
    assert ran.results == {"return": [True, "code_of_user", "class Model:\n    pass", True]}


def test_code_may_come_in_an_archive(run, packed, tmp_path):
    source = tmp_path / "source"
    (source / "helpers").mkdir(parents=True)
    (source / "job.py").write_text("from helpers.double import double\n\ndef main(n: int):\n    return double(n)")
    (source / "helpers" / "__init__.py").write_text("")
    (source / "helpers" / "double.py").write_text("def double(n):\n    return 2 * n")
    code = {"folder": None, "archive": packed(source), "module": "job", "file": "job.py", "handler": "main"}
    assert run("", code=code, params={"n": 4}).results == {"return": 8}
    ran = run("", code={**code, "archive": "bm8gemlw"})
    assert (ran.end["cause"], "damaged" in ran.end["message"]) == ("BadInput", True)


def test_a_script_finds_its_context_with_parameters_of_any_length(run):
    (run.folder / "script.py").write_text(
        "import framework\n\ncontext = framework.context()\ncontext.log_result('length', len(context.params['text']))\n"
    )
    code = {"folder": str(run.folder), "command": ["{python}", "{code}/script.py"]}
    ran = run("", code=code, params={"text": "x" * 300_000})
    assert ran.results == {"length": 300_000}, ran.log("stderr")


def test_output_of_any_text_is_kept(run):
    ran = run("def main():\n    print('caf\\xe9 \\udcff')\n    print(b'raw')")
    assert ran.log("stdout") == "café \udcff\nb'raw'\n"


def test_the_arguments_of_the_process_are_the_users_file(run):
    ran = run("import os, sys\n\ndef main():\n    return [os.path.basename(sys.argv[0]), len(sys.argv)]")
    assert ran.results == {"return": ["code_of_user.py", 1]}


def test_pythonpath_is_honoured_although_the_runner_is_isolated(run, tmp_path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "only_there.py").write_text("NAME = 'found'")
    ran = run(
        "import only_there\n\ndef main():\n    return only_there.NAME",
        environment={"PYTHONPATH": str(extra)},
    )
    assert ran.results == {"return": "found"}


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="the base interpreter is found through a virtual environment")
def test_the_user_site_is_honoured_outside_of_virtual_environments(archive, tmp_path, monkeypatch):
    base = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    site = tmp_path / "base" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True)
    (site / "only_at_home.py").write_text("NAME = 'user site'")
    (tmp_path / "job.py").write_text("import only_at_home\n\ndef main():\n    return only_at_home.NAME")
    code = {"folder": str(tmp_path), "module": "job", "file": "job.py", "handler": "main"}
    document = {"version": 1, "run": {"uid": "1"}, "code": code, "carrier": {"type": "frames"}, "token": "t"}
    ended = subprocess.run(
        [base, "-I", archive, "-"],
        input=json.dumps(document).encode(),
        env={"PYTHONUSERBASE": str(tmp_path / "base"), "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=60,
        check=False,
    )
    events = [item for item in Decoder("t").feed(ended.stdout) if isinstance(item, dict)]
    assert [event["data"]["values"] for event in events if event["kind"] == "result"] == [{"return": "user site"}]
