"""Maps on the cluster: each item a pod of one Indexed Job, with records and an end of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CODE = """
import os, time

def main(n, how=""):
    print("number", n, flush=True)
    if how == "raise":
        raise ValueError("the reason")
    if how == "exit":
        os._exit(7)
    if how == "sleep":
        time.sleep(300)
    return n * n
"""


@pytest.fixture
def cli(home, tmp_path):
    """Calls the program in a folder with the code; ``--json`` is added and read, but by its ``text``."""
    (tmp_path / "job.py").write_text(CODE)
    program = Path(sys.executable).parent / "framework"

    def text(*words):
        env = {**os.environ, "FRAMEWORK_HOME": str(home)}
        ended = subprocess.run(
            [program, *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
        )
        assert ended.stdout, ended.stderr
        return ended.stdout

    def call(*words):
        return json.loads(text(*words, "--json"))

    call.text = text
    return call


def _map(cli, tmp_path, items, *words):
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(item)}\n" for item in items))
    return cli("run", "job.py:main", "--kind", "job", "--map", "items.jsonl", *words)


def _items(cli, run):
    found = cli("runs", "list", "--parent", run["metadata"]["uid"])
    return sorted(found, key=lambda item: item["spec"]["iteration"])


def _ended(cli, run):
    uid, deadline = run["metadata"]["uid"], time.monotonic() + 150
    while (found := cli("runs", "show", uid))["status"]["state"] in ("pending", "running"):
        assert time.monotonic() < deadline, found["status"]
        time.sleep(1)
    return found


def test_a_plan_is_valid_to_the_api_server(cli, tmp_path, kubectl):
    shown = _map(cli, tmp_path, [{"n": n} for n in range(7)], "--parallelism", "3", "--dry-run")["creates"]
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(shown))
    assert said.count("created (server dry run)") == 4
    (job,) = [each for each in shown["items"] if each["kind"] == "Job"]
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (7, 3)


def test_each_item_has_its_own_records_and_none_ends_another(cli, tmp_path, kubectl):
    items = [{"n": n, "how": {1: "raise", 2: "exit"}.get(n, "")} for n in range(6)]
    run = _map(cli, tmp_path, items, "--parallelism", "3")
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "UserError")
    assert run["status"]["results"] == {"completed": 4, "failed": 2}
    found = _items(cli, run)
    assert [item["status"]["state"] for item in found] == ["completed", "failed", "failed", *["completed"] * 3]
    assert [item["status"]["results"].get("return") for item in found] == [0, None, None, 9, 16, 25]
    assert "the reason" in found[1]["status"]["message"]
    assert all(item["status"]["gaps"] == [] for item in found)
    assert kubectl("get", "jobs", "-l", f"framework/run={run['metadata']['uid']}", "-o", "json")["items"] == []


def test_a_detached_map_is_collected_and_a_pod_that_is_taken_away_fails_its_item_alone(cli, tmp_path, kubectl, fault):
    items = [{"n": 0}, {"n": 1, "how": "sleep"}, {"n": 2}]
    run = _map(cli, tmp_path, items, "--parallelism", "2", "--detach")
    selector = f"framework/run={run['metadata']['uid']}"
    deadline = time.monotonic() + 100
    while kubectl("get", "job", "-l", selector, "-o", "json")["items"][0]["status"].get("succeeded") != 2:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    (pod,) = kubectl("get", "pods", "-l", selector, "--field-selector=status.phase=Running", "-o", "json")["items"]
    fault("evict", pod["metadata"]["name"])
    assert _ended(cli, run)["status"]["results"] == {"completed": 2, "failed": 1}
    states = [item["status"]["state"] for item in _items(cli, run)]
    assert states == ["completed", "failed", "completed"]


def test_items_of_a_detached_map_whose_pods_are_gone_have_the_cause_that_the_events_tell(
    cli, tmp_path, kubectl, *, slot, urgent, until
):
    """One is preempted, one is evicted by the API, which its node alone tells; each is gone when somebody looks."""
    words = ("--parallelism", "1", "--request", f"{slot}=1", "--detach")
    run = _map(cli, tmp_path, [{"n": 0, "how": "sleep"}, {"n": 1, "how": "sleep"}, {"n": 2}], *words)
    selector = f"framework/run={run['metadata']['uid']}"

    def pod(index):
        labels = f"{selector},batch.kubernetes.io/job-completion-index={index}"
        found = kubectl("get", "pods", "-l", labels, "--field-selector=status.phase=Running", "-o", "json")["items"]
        return found and found[0]["metadata"]["name"]

    def status():
        return kubectl("get", "jobs", "-l", selector, "-o", "json")["items"][0]["status"]

    until(lambda: pod(0))
    urgent()
    evicted = until(lambda: pod(1))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": evicted, "namespace": "default"}}
    kubectl(
        "create", "--raw", f"/api/v1/namespaces/default/pods/{evicted}/eviction", "-f", "-", stdin=json.dumps(eviction)
    )
    until(lambda: any(each["type"] == "Failed" for each in status().get("conditions", [])))
    assert (status()["failedIndexes"], status()["completedIndexes"]) == ("0,1", "2")
    _ended(cli, run)
    found = [item["status"] for item in _items(cli, run)]
    assert [each.get("cause") for each in found] == ["Preempted", "Lost", None], found
    assert found[0]["message"].startswith("Preempted by pod "), found[0]
    assert found[1]["message"].startswith("its pod was deleted or evicted while it ran: its node "), found[1]


@pytest.fixture
def two_there(cli, tmp_path, kubectl, second_node, until):
    """A detached map of two that sleep on the second node: its run, and what asks for its Job's status."""
    there = [
        f"placement.node_selector={{kubernetes.io/hostname: {second_node}}}",
        "placement.tolerations=[{key: framework/tests, operator: Exists}]",
    ]
    words = [word for setting in there for word in ("--set", setting)]
    run = _map(cli, tmp_path, [{"n": 0, "how": "sleep"}, {"n": 1, "how": "sleep"}], *words, "--detach")
    selector = f"framework/run={run['metadata']['uid']}"

    def status():
        return kubectl("get", "jobs", "-l", selector, "-o", "json")["items"][0]["status"]

    until(lambda: status().get("ready") == 2)
    return run, status


@pytest.mark.xdist_group("second-node")
def test_a_detached_map_whose_node_is_given_a_taint(cli, kubectl, second_node, two_there, until):
    run, status = two_there
    kubectl("taint", "node", second_node, "framework.test/gone=now:NoExecute")
    try:
        until(lambda: status().get("failedIndexes") == "0,1")
    finally:
        kubectl("taint", "node", second_node, "framework.test/gone-")
    _ended(cli, run)
    found = [item["status"] for item in _items(cli, run)]
    assert [(each["cause"], "a taint that it does not tolerate" in each["message"]) for each in found] == [
        ("Preempted", True)
    ] * 2


@pytest.mark.xdist_group("second-node")
def test_a_detached_map_whose_node_is_drained(cli, kubectl, second_node, two_there, until):
    run, status = two_there
    selector = f"framework/run={run['metadata']['uid']}"
    try:
        kubectl("drain", second_node, f"--pod-selector={selector}", "--delete-emptydir-data", "--grace-period=5")
        until(lambda: status().get("failedIndexes") == "0,1")
        _ended(cli, run)
    finally:
        kubectl("uncordon", second_node)
    found = [item["status"] for item in _items(cli, run)]
    assert [(each["cause"], f"{second_node} is being drained" in each["message"]) for each in found] == [
        ("Preempted", True)
    ] * 2, found


def test_a_map_is_asked_to_end(cli, tmp_path, kubectl):
    run = _map(cli, tmp_path, [{"n": n, "how": "sleep"} for n in range(5)], "--parallelism", "2", "--detach")
    selector = f"framework/run={run['metadata']['uid']}"
    deadline = time.monotonic() + 100
    while kubectl("get", "job", "-l", selector, "-o", "json")["items"][0]["status"].get("ready") != 2:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    cli("abort", run["metadata"]["uid"])
    ended = _ended(cli, run)
    assert (ended["status"]["state"], ended["status"]["results"]) == ("aborted", {"completed": 0, "failed": 5})
    assert {item["status"]["cause"] for item in _items(cli, run)} == {"Aborted"}
    assert kubectl("get", "jobs", "-l", selector, "-o", "json")["items"] == []


LARGE = """
import hashlib, pathlib
import framework as fw

def main(n: int, table) -> str:
    said = f"{n} {hashlib.sha256(pathlib.Path(__file__).with_name('data.bin').read_bytes()).hexdigest()} {table}"
    fw.context().log_artifact("said", said.encode())
    if fw.context().attempt < n:
        raise ValueError("not yet")
    return hashlib.sha256(open(table, "rb").read()).hexdigest()
"""


def test_large_code_and_files_of_this_machine_reach_each_pod_and_items_are_repeated(cli, tmp_path, kubectl):
    code, table = tmp_path / "project", os.urandom(300_000)
    code.mkdir()
    (code / "job.py").write_text(LARGE)
    (code / "data.bin").write_bytes(os.urandom(2 << 20))
    (tmp_path / "table.bin").write_bytes(table)
    (tmp_path / "items.jsonl").write_text('{"n": 0}\n{"n": 1}\n{"n": 2}\n')
    what = ("run", "project", "--handler", "job.main", "-i", "table=table.bin", "--map", "items.jsonl")
    how = ("--kind", "job", "--parallelism", "2", "--retry", "2", "--retry-on", "UserError")
    run = cli(*what, *how)
    assert run["status"]["results"] == {"completed": 3, "failed": 0}, run["status"]
    found = _items(cli, run)
    assert {item["status"]["results"]["return"] for item in found} == {hashlib.sha256(table).hexdigest()}
    assert [len(item["status"]["attempts"]) for item in found] == [1, 1, 2]
    digest = hashlib.sha256((code / "data.bin").read_bytes()).hexdigest()
    for number, item in enumerate(found):
        kept = Path(item["status"]["artifacts"]["said"]["uri"].removeprefix("file://")).read_text()
        assert kept.startswith(f"{number} {digest} ")
    for each in (run, *found):
        selector = f"framework/run={each['metadata']['uid']}"
        assert kubectl("get", "jobs", "-l", selector, "-o", "json")["items"] == []


def test_an_image_that_is_not_there_is_the_end_of_all_items(cli, tmp_path):
    image = ("--image", "127.0.0.1:5000/nowhere/nothing:1")
    run = _map(cli, tmp_path, [{"n": n} for n in range(3)], *image)
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "ImagePull")
    assert run["status"]["results"] == {"completed": 0, "failed": 3}


EVICTED = """
import time
import framework as fw

def main(n: int) -> int:
    context = fw.context()
    print("number", n, "attempt", context.attempt, flush=True)
    context.log_metric("n", n)
    context.log_artifact("said", b"%d in %d" % (n, context.attempt))
    if n == 1 and context.attempt == 1:
        time.sleep(300)
    return n * n
"""


@pytest.mark.parametrize(
    "way",
    [
        (("--retry-on", "Evicted"), "Evicted"),
        (("--detach",), "Lost"),  # nobody sees why the pod is deleted, and the Job of many keeps no word of one
    ],
    ids=["followed", "detached"],
)
def test_an_item_whose_pod_is_evicted_is_repeated_and_has_its_records_once(cli, tmp_path, kubectl, fault, way):
    how, cause = way
    (tmp_path / "evicted.py").write_text(EVICTED)
    (tmp_path / "items.jsonl").write_text('{"n": 0}\n{"n": 1}\n{"n": 2}\n')
    what = (
        "run",
        "evicted.py:main",
        "--kind",
        "job",
        "--map",
        "items.jsonl",
        "--parallelism",
        "2",
        "--name",
        "evicted",
    )
    with ThreadPoolExecutor(1) as beside:
        started = beside.submit(cli, *what, "--retry", "1", "--set", "life.retry.backoff=0", *how)
        pod = _left(kubectl, tmp_path)
        fault("evict", pod["metadata"]["name"])
        run = started.result()
    ended, found = _ended(cli, run), _items(cli, run)
    assert ended["status"]["results"] == {"completed": 3, "failed": 0}, found[1]["status"]
    assert [item["status"]["results"] for item in found] == [{"return": 0}, {"return": 1}, {"return": 4}]
    rows = [[(row["state"], row.get("cause")) for row in item["status"]["attempts"]] for item in found]
    once = [("completed", None)]
    assert rows == [once, [("failed", cause), *once], once]
    for number, item in enumerate(found):
        uid, attempt = item["metadata"]["uid"], len(item["status"]["attempts"])
        assert cli.text("logs", uid) == f"number {number} attempt {attempt}\n"
        said = item["status"]["artifacts"]["said"]["uri"].removeprefix("file://")
        assert Path(said).read_text() == f"{number} in {attempt}"
        assert kubectl("get", "jobs", "-l", f"framework/run={uid}", "-o", "json")["items"] == []
    uid = run["metadata"]["uid"]
    assert kubectl("get", "jobs", "-l", f"framework/run={uid}", "-o", "json")["items"] == []


def _left(kubectl, tmp_path):
    """The pod of the only item that still runs, by the note of its Job that is kept where it was started."""
    deadline = time.monotonic() + 100
    while True:
        for note in (tmp_path / "home" / "jobs").glob("*.json"):
            selector = f"framework/run={json.loads(note.read_text())['handle']['run']['uid']}"
            jobs = kubectl("get", "jobs", "-l", selector, "-o", "json")["items"]
            pods = kubectl("get", "pods", "-l", selector, "--field-selector=status.phase=Running", "-o", "json")[
                "items"
            ]
            if len(pods) == 1 and jobs and jobs[0]["status"].get("succeeded") == 2:
                return pods[0]
        assert time.monotonic() < deadline
        time.sleep(0.5)
