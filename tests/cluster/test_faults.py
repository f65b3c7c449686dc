"""What breaks around a run, and the loads: nothing is lost silently, and nothing comes twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

COUNT = """
import time

def main(lines=100, pause=0.1):
    for line in range(lines):
        print("line", line)
        time.sleep(pause)
    return lines
"""


def _lines(ran):
    return ran.log().splitlines()


@pytest.mark.alone
def test_the_api_server_is_killed_and_comes_back(start, fault):
    live = start(COUNT, params={"lines": 150})
    live.printed("line 5\n")
    fault("kill-apiserver")
    try:
        assert live.runtime.observe(live.handle).alive is None
        time.sleep(3)
    finally:
        fault("start-apiserver")
    ran = live.finish()
    assert ran.state == "completed", ran
    assert _lines(ran) == [b"line %d" % number for number in range(150)]
    assert [event["seq"] for event in ran.events] == list(range(1, len(ran.events) + 1))


@pytest.mark.timeout(400)
def test_fifty_at_once_in_one_process(start):
    ended, threads = {}, []

    def one(number):
        live = start("def main(n):\n print('number', n)\n return n", params={"n": number})
        live._deadline = time.monotonic() + 300  # they share two cores
        ended[number] = live.finish()

    for number in range(50):
        threads.append(threading.Thread(target=one, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert {number: ran.results for number, ran in ended.items()} == {n: {"return": n} for n in range(50)}
    assert all(ran.log() == b"number %d\n" % number for number, ran in ended.items())


def test_ten_thousand_lines_a_second(start):
    code = (
        "import time\ndef main():\n began = time.monotonic()\n"
        " for second in range(10):\n"
        "  print('\\n'.join(f'{n:08}' for n in range(second * 10_000, second * 10_000 + 10_000)))\n"
        "  time.sleep(max(0, began + second + 1 - time.monotonic()))"
    )
    live = start(code)
    live._deadline = time.monotonic() + 200
    ran = live.finish()
    assert ran.state == "completed", ran
    assert ran.status["gaps"] == []
    assert ran.log() == b"".join(b"%08d\n" % number for number in range(100_000))


def test_binary_output_of_three_processes_at_once(start):
    code = (
        "import os, subprocess, sys\n"
        "CHILD = 'import os, sys\\nfor n in range(200): '\\\n"
        "  'os.write(1, bytes([int(sys.argv[1])]) * 4000 + bytes(range(256)))'\n"
        "def main():\n print('\\n#fw1 0123 junk 1/1 {}')\n sys.stdout.flush()\n"
        " for child in [subprocess.Popen([sys.executable, '-c', CHILD, str(n)]) for n in (65, 66, 67)]: child.wait()\n"
        " return 'done'"
    )
    live = start(code)
    live._deadline = time.monotonic() + 200
    ran = live.finish()
    assert ran.results == {"return": "done"}, ran
    first, _, log = ran.log().partition(b"{}\n")
    assert first == b"\n#fw1 0123 junk 1/1 "
    assert {number: log.count(bytes([number])) for number in (65, 66, 67)} == dict.fromkeys((65, 66, 67), 200 * 4003)


@pytest.mark.timeout(400)
def test_sixty_megabytes_of_log_detached(start):
    """The first and the last megabytes are there, the rest is counted, and the records are whole."""
    code = (
        "import framework as fw\ndef main():\n for n in range(60):\n"
        "  print(f'{n:02}' + 'x' * 1_000_000)\n  fw.context().log_result(f'r{n}', n)\n return 'done'"
    )
    live = start(code, detached=True)
    live._deadline = time.monotonic() + 300
    while live.runtime.observe(live.handle).alive is not False:  # nobody reads while it runs
        assert time.monotonic() < live._deadline
        time.sleep(1)
    ran = live.finish()
    assert ran.state == "completed", ran
    assert ran.results == {**{f"r{n}": n for n in range(60)}, "return": "done"}
    log = ran.log()
    assert log.startswith(b"00x")
    assert log.endswith(b"x\n")
    assert b"59x" in log
    (dropped,) = [event["data"] for event in ran.events if event["kind"] == "dropped"]
    assert len(log) + dropped["bytes"] == 60 * 1_000_003


@pytest.mark.xdist_group("second-node")
@pytest.mark.timeout(300)
def test_a_node_that_is_lost(second, fault):
    """Its kubelet stops, and the cluster gives the pod up."""
    live, node = second
    fault("stop-kubelet", node)
    try:
        ran = live.finish()
    finally:
        fault("continue-kubelet", node)
    assert (ran.state, ran.cause) == ("failed", "Lost"), ran
    assert node in ran.status["message"]


@pytest.mark.xdist_group("second-node")
@pytest.mark.timeout(300)
def test_a_node_whose_pods_are_taken_away(second, fault, kubectl):
    live, node = second
    taints = kubectl("get", "node", node, "-o", "json")["spec"].get("taints", [])
    try:
        fault("preempt", node)
        ran = live.finish()
    finally:  # the fault's taint takes the place of all others, which keep the pods of other tests away
        kubectl("patch", "node", node, "--type=merge", "-p", json.dumps({"spec": {"taints": taints}}))
    assert (ran.state, ran.cause) == ("failed", "Preempted"), ran
    assert ran.log() == b"ready\n"


def _cli(home, *words, **options):
    program = Path(sys.executable).parent / "framework"
    env = {**os.environ, "FRAMEWORK_HOME": str(home)}
    return subprocess.Popen(
        [program, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_a_client_that_is_killed_and_a_second_one_elsewhere(home, tmp_path):
    """`framework run` dies; `framework logs -f` from another folder has every line once, and `runs show` the end."""
    (tmp_path / "job.py").write_text(COUNT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = ["run", "job.py:main", "--kind", "job", "-p", "lines=60"]
    client = _cli(home, *words, cwd=tmp_path, start_new_session=True)
    while "line 3" not in client.stdout.readline():
        assert client.poll() is None, client.stderr.read()
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate()
    listed = json.loads(_cli(home, "runs", "list", "--json").communicate(timeout=100)[0])
    uid = listed[0]["metadata"]["uid"]
    assert listed[0]["status"]["state"] == "running"
    out, err = _cli(home, "logs", "-f", uid, cwd=elsewhere).communicate(timeout=100)
    assert out.splitlines() == [f"line {number}" for number in range(60)], err
    shown = json.loads(_cli(home, "runs", "show", uid, "--json").communicate(timeout=100)[0])
    assert shown["status"]["state"] == "completed"
    assert shown["status"]["results"] == {"return": 60}


def test_what_a_client_has_left_is_found(home, tmp_path, kubectl):
    """A Job whose run has ended, made again as by a client that died before it cleaned up."""
    (tmp_path / "job.py").write_text("def main(): return 1")
    words = ["run", "job.py:main", "--kind", "job", "--json", "--set", "life.ttl=600"]
    out, err = _cli(home, *words, cwd=tmp_path).communicate(timeout=100)
    assert out, err
    uid = json.loads(out)["metadata"]["uid"]
    (job,) = kubectl("get", "jobs", "-l", f"framework/run={uid}", "-o", "json")["items"]
    assert job["spec"]["ttlSecondsAfterFinished"] == 600
    name = job["metadata"]["name"]
    kept = json.loads(_cli(home, "runs", "gc", "--kind", "job", "--json", "--dry-run").communicate(timeout=100)[0])
    assert uid not in {each["run"] for each in kept}
    kubectl("patch", "job", name, "--type=json", "-p", '[{"op": "remove", "path": "/spec/ttlSecondsAfterFinished"}]')
    out, err = _cli(home, "runs", "gc", "--kind", "job", "--yes", "--json").communicate(timeout=100)
    assert uid in {each["run"] for each in json.loads(out)}, err
    assert kubectl("get", "jobs", "-l", f"framework/run={uid}", "-o", "json")["items"] == []


def test_a_plan_is_valid_to_the_api_server(home, tmp_path, kubectl):
    (tmp_path / "job.py").write_text("def main(n: int = 1): return n")
    words = ["run", "job.py:main", "--kind", "job", "--dry-run", "--json", "--request", "cpu=100m", "--env", "A=b"]
    out, err = _cli(home, *words, cwd=tmp_path).communicate(timeout=100)
    assert out, err
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(json.loads(out)["creates"]))
    assert said.count("created (server dry run)") == 3


def _state(home, uid):
    out, err = _cli(home, "runs", "show", "--json", uid).communicate(timeout=100)
    assert out, err
    return json.loads(out)["status"]["state"]


def test_a_cluster_that_is_away_is_said_once_and_keeps_nobody_waiting(home, tmp_path, monkeypatch):
    (tmp_path / "job.py").write_text(COUNT)
    words = ["run", "job.py:main", "--kind", "job", "--detach", "--json", "-p", "lines=3000"]
    out, err = _cli(home, *words, cwd=tmp_path).communicate(timeout=100)
    assert out, err
    uid = json.loads(out)["metadata"]["uid"]
    config = Path(os.environ["KUBECONFIG"]).read_text()
    (tmp_path / "away").write_text(config.replace("127.0.0.1:6443", "127.0.0.1:9"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "away"))
    out, err = _cli(home, "runs", "list", "--json").communicate(timeout=100)
    assert json.loads(out)[0]["status"]["state"] == "pending"
    assert err.count("could not be looked at") == 1
    monkeypatch.undo()
    out, err = _cli(home, "abort", "--now", uid).communicate(timeout=100)
    assert uid in err
    deadline = time.monotonic() + 100
    while (state := _state(home, uid)) != "aborted":  # the command waits for a moment only
        assert time.monotonic() < deadline, state


def _runs(kubectl, live):
    selector = f"framework/run={live.submission.uid}"
    return "Running" in kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].status.phase}")


def test_a_pod_that_is_removed_before_anybody_has_read_what_it_gave(start, kubectl, until):
    live = start("def main(): return 1", detached=True)
    selector = f"framework/run={live.submission.uid}"
    until(lambda: kubectl("get", "jobs", "-l", selector, "-o", "json")["items"][0]["status"].get("completionTime"))
    kubectl("delete", "pods", "-l", selector)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Lost"), ran
    assert "its Job is complete" in ran.status["message"]


def test_a_run_that_is_aborted_before_its_interpreter_answers(start, kubectl):
    """The first process of a container gets no signal that it has no answer to yet."""
    begin = "import os, sys, time; time.sleep(4); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    words = ["python3", "-c", begin, "-s", "/framework/runner/runner.pyz", "/framework/submission/submission.json"]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "run", "command": words}]}}}}
    live = start("import time\ndef main(): time.sleep(600)", lambda spec: spec.options.update({"patch": patch}))
    deadline = time.monotonic() + 50
    while not _runs(kubectl, live):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    live.runtime.cancel(live.handle, 0)
    assert live.finish().state == "aborted"


@pytest.mark.timeout(400)
def test_what_is_too_large_for_a_secret_is_sent(home, tmp_path):
    """Code of some megabytes, a file and a folder of this machine, to a run that is followed and to one that is not."""
    folder = tmp_path / "code"
    (folder / "data").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(os.urandom(3 << 20))
    code = (
        "import os\nfrom pathlib import Path\n"
        "def main(table, images):\n"
        " here = Path(__file__).parent\n"
        " return [(here / 'weights.bin').stat().st_size, open(table).read(), sorted(os.listdir(images))]\n"
    )
    (folder / "job.py").write_text(code)
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "images").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "images" / name).write_bytes(os.urandom(2 << 20))
    words = ["run", ".", "--handler", "job.main", "--kind", "job", "--json"]
    inputs = ["-i", f"table={tmp_path / 'table.csv'}", "-i", f"images={tmp_path / 'images'}"]
    for how in ([], ["--detach"]):
        out, err = _cli(home, *words, *inputs, *how, cwd=folder).communicate(timeout=180)
        assert out, err
        uid = json.loads(out)["metadata"]["uid"]
        _cli(home, "logs", "-f", uid).communicate(timeout=180)
        shown = json.loads(_cli(home, "runs", "show", uid, "--json").communicate(timeout=60)[0])
        assert shown["status"].get("results") == {"return": [3 << 20, "a,b\n", ["1.png", "2.png"]]}, shown["status"]


def test_an_evicted_run_is_repeated_when_the_function_says_so(home, tmp_path, fault, kubectl):
    """By itself: a second Job under the same uid, whose results are the run's."""
    (tmp_path / "job.py").write_text(
        "import time\nimport framework as fw\n"
        "def main():\n attempt = fw.context().attempt\n print('attempt', attempt)\n"
        " if attempt == 1: time.sleep(300)\n return attempt\n"
    )
    words = ["run", "job.py:main", "--kind", "job", "--set", "life.retry.attempts=2", "--set", "life.retry.backoff=0"]
    client = _cli(home, *words, cwd=tmp_path)
    assert client.stdout.readline() == "attempt 1\n"
    (run,) = json.loads(_cli(home, "runs", "list", "--json").communicate(timeout=60)[0])
    uid = run["metadata"]["uid"]
    (pod,) = kubectl("get", "pods", "-l", f"framework/run={uid}", "-o", "json")["items"]
    fault("evict", pod["metadata"]["name"])
    out, err = client.communicate(timeout=100)
    assert out == "attempt 2\n", err
    status = json.loads(_cli(home, "runs", "show", uid, "--json").communicate(timeout=60)[0])["status"]
    assert (status["state"], status["results"]) == ("completed", {"return": 2})
    rows = [(row["state"], row.get("cause")) for row in status["attempts"]]
    assert rows == [("failed", "Evicted"), ("completed", None)]
