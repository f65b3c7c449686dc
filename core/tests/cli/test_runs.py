from __future__ import annotations

import json

import pytest

from framework_run import ends
from framework_run.events import Producer, observed_end

COMPLETED = {"state": "completed"}
FAILED = {
    "state": "failed",
    "cause": "UserError",
    "message": "ValueError: no such depth",
    "advice": "Look at line 3.",
    "traceback": '  File "x.py", line 3\nValueError: no such depth\n',
}


def trained(add_run, depth, accuracy, **more):
    events = (
        ("log", {"stream": "stdout", "text": f"depth {depth}\n"}),
        ("result", {"values": {"accuracy": accuracy}}),
        ("metric", {"key": "loss", "steps": [1, 2, 3], "values": [0.9, 0.5, 0.1], "times": [1.0, 2.0, 3.0]}),
        ("peak", {"memory": 3 * 2**20, "cpu": 1.5}),
    )
    return add_run(spec={"params": {"depth": depth}}, events=events, end=COMPLETED, **more)


def test_an_empty_list_says_what_to_do_first(cli):
    done = cli("runs", "list")
    assert (done.code, done.out) == (0, "")
    assert "There are no runs yet." in done.err
    assert "Next: framework run FILE.py:FUNCTION" in done.err
    assert json.loads(cli("runs", "list", "--json").out) == []


def test_a_list_shows_each_run_on_a_line(cli, add_run):
    first = trained(add_run, 3, 0.9)
    second = add_run("predict", created=2_000_000.0, end=FAILED)
    done = cli("runs", "list")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0].split() == ["UID", "NAME", "STATE", "CREATED", "DURATION", "PARAMS", "RESULTS"]
    assert lines[1].startswith(second[:13])
    assert "predict  failed: UserError" in lines[1]
    assert lines[2].startswith(first[:13])
    assert all(part in lines[2] for part in ("train", "completed", "3.0 s", "depth=3", "accuracy=0.9"))


def test_json_is_whole_documents_with_every_field(cli, add_run):
    uid = trained(add_run, 3, 0.9)
    (run,) = json.loads(cli("runs", "list", "--json").out)
    assert run["metadata"]["uid"] == uid
    assert run["spec"]["params"] == {"depth": 3}
    assert run["spec"]["inputs"] == {}
    assert run["status"]["state"] == "completed"
    assert run["status"]["results"] == {"accuracy": 0.9}
    assert run["status"]["gaps"] == []


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--name", "a*"], ["a1"]),
        (["--state", "failed"], ["b"]),
        (["--state", "completed,failed"], ["c", "b", "a1"]),
        (["--label", "team=x"], ["c"]),
        (["--param", "depth=3"], ["c"]),
        (["--where", "results.accuracy > 0.8"], ["c", "a1"]),
        (["--where", "results.accuracy > 0.8", "--where", "params.depth = 3"], ["c"]),
        (["--where", "results.accuracy > 0.8 and params.depth = 2"], ["a1"]),
        (["--project", "other"], ["c"]),
        (["--since", "1970-02-01"], ["c"]),
        (["--until", "1970-01-20"], ["b", "a1"]),
        (["--sort", "results.accuracy"], ["a1", "c", "b"]),
        (["--sort", "results.accuracy:asc"], ["c", "a1", "b"]),
        (["--limit", "1"], ["c"]),
        (["--limit", "1", "--all"], ["c", "b", "a1"]),
        (["--since", "1h"], []),
    ],
)
def test_filters_choose_and_sort(words, names, cli, add_run):
    result = lambda accuracy: (("result", {"values": {"accuracy": accuracy}}),)  # noqa: E731
    add_run("a1", spec={"params": {"depth": 2}}, events=result(0.95), end=COMPLETED, created=1_000_000.0)
    add_run("b", end=FAILED, created=1_100_000.0)
    add_run(
        "c",
        spec={"params": {"depth": 3}},
        labels={"team": "x"},
        project="other",
        events=result(0.9),
        end=COMPLETED,
        created=3_000_000.0,
    )
    runs = json.loads(cli("runs", "list", "--json", *words).out)
    assert [run["metadata"]["name"] for run in runs] == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--state", "finished"], "there is no state 'finished'"),
        (["--where", "accuracy > 1"], "there is no field 'accuracy'"),
        (["--since", "yesterday"], "'yesterday' is neither"),
        (["--label", "team"], "--label 'team' is not key=value"),
        (["--sort", "size"], "there is no field 'size'"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(words, said, cli):
    done = cli("runs", "list", *words)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) <= 15


def test_a_cut_list_says_how_many_there_are(cli, add_run):
    for _ in range(3):
        add_run(end=COMPLETED)
    assert "2 of 3 runs; --all shows every one." in cli("runs", "list", "--limit", "2").err


def test_show_has_everything_on_one_page(cli, add_run):
    uid = trained(add_run, 3, 0.9, labels={"team": "x"})
    page = cli("runs", "show", uid[:18]).out
    for part in (uid, "completed in 3.0 s", "team=x", "depth", "accuracy", "3.0 MiB", "CPU 1.5 s"):
        assert part in page
    assert "█▅▁  (3 points)" in page
    assert len(page.splitlines()) < 40


def test_show_says_why_a_run_failed(cli, add_run):
    page = cli("runs", "show", add_run(end=FAILED)).out
    assert "failed: UserError" in page
    assert 'File "x.py", line 3' in page
    assert "ValueError: no such depth" in page
    assert "Look at line 3." in page


def test_show_draws_the_children_as_a_tree(cli, add_run):
    parent = add_run("sweep", end=COMPLETED)
    child = add_run("trial-1", spec={"parent": parent, "params": {"depth": 1}}, end=COMPLETED)
    add_run("fold", spec={"parent": child}, end=COMPLETED)
    add_run("trial-2", spec={"parent": parent, "params": {"depth": 2}}, end=FAILED, created=1_000_001.0)
    tree = [line for line in cli("runs", "show", parent).out.splitlines() if "─" in line]
    assert [line.strip()[:2] for line in tree] == ["├─", "│ ", "└─"]
    assert "trial-1  completed" in tree[0]
    assert "└─" in tree[1]
    assert "fold" in tree[1]
    assert "trial-2  failed: UserError" in tree[2]
    assert len(cli("runs", "list").out.splitlines()) == 2  # children are shown below their parent


def test_what_is_missing_is_said(cli, add_run, database):
    uid = add_run()
    from framework_run.events import Producer

    producer = Producer({"uid": uid})
    made = [producer.event("log", {"stream": "stdout", "text": "x"}) for _ in range(5)]
    database.apply(uid, [*made[1:2], producer.event("end", COMPLETED)])
    assert "Missing" in cli("runs", "show", uid).out


def test_an_unknown_uid_names_the_list(cli):
    done = cli("runs", "show", "ffff")
    assert done.code == 2
    assert "ffff" in done.err
    assert "framework runs list" in done.err


def test_a_uid_that_fits_several_is_refused(cli, add_run):
    add_run(end=COMPLETED)
    add_run(end=COMPLETED)
    done = cli("runs", "show", "0")
    assert done.code == 2
    assert "several" in done.err or "fits" in done.err


def test_compare_marks_what_differs(cli, add_run):
    first, second = trained(add_run, 3, 0.9), trained(add_run, 4, 0.9)
    done = cli("runs", "compare", first, second)
    lines = {line.split()[0]: line for line in done.out.splitlines()[1:]}
    assert lines["params.depth"].split() == ["params.depth", "*", "3", "4"]
    assert lines["results.accuracy"].split() == ["results.accuracy", "0.9", "0.9"]
    assert "1 of " in done.err
    fields = {field["field"]: field for field in json.loads(cli("runs", "compare", first, second, "--json").out)}
    assert fields["params.depth"] == {"field": "params.depth", "values": {first: 3, second: 4}, "differs": True}


def test_one_run_cannot_be_compared(cli, add_run):
    uid = trained(add_run, 3, 0.9)
    assert cli("runs", "compare", uid, uid[:30]).code == 2


def test_logs_are_the_bytes_that_were_written(add_run, capfdbinary):
    content = bytes(range(256))
    text = content.decode("utf-8", "surrogateescape")
    uid = add_run(
        events=(
            ("log", {"stream": "stdout", "text": text}),
            ("log", {"stream": "stderr", "text": "warned\n"}),
            ("log", {"stream": "system", "text": "ours\n"}),
        ),
        end=COMPLETED,
    )
    from framework.cli.main import execute

    for words in (["logs", uid], ["runs", "logs", uid[:13]], ["logs", "-f", uid]):
        assert execute(words) == 0
        assert capfdbinary.readouterr() == (content + b"warned\n", b"ours\n")


@pytest.mark.parametrize("words", [["logs"], ["logs", "-f"]])
def test_the_logs_of_a_map_are_those_of_its_items(add_run, cli, words):
    parent = add_run("square", spec={"map": {"items": 12, "parallelism": 2}}, end=COMPLETED)
    for number in (1, 12):
        spec = {"parent": parent, "iteration": number}
        log = ("log", {"stream": "stdout", "text": f"a{number}\nb"})
        add_run("square", spec=spec, created=1_000_000.0 + number, events=(log,), end=COMPLETED)
    done = cli(*words, parent)
    assert done.code == 0
    lines = [line.partition(" | ") for line in done.out.splitlines()]
    printed = sorted((name.split()[-1], text) for name, _, text in lines)  # a line without an end comes last
    assert printed == [("#1", "a1"), ("#1", "b"), ("#12", "a12"), ("#12", "b")]
    assert len({len(name) for name, _, _ in lines}) == 1


def test_the_name_of_a_worker_stands_in_the_logs_of_several_and_on_the_page(add_run, cli, database):
    parent = add_run("square", spec={"map": {"items": 2, "parallelism": 2}}, end=COMPLETED)
    uid = add_run("square", spec={"parent": parent, "iteration": 2})

    def attempt(number, worker):
        producer = Producer({"uid": uid, "attempt": number})
        state = producer.event("state", {"state": "running", "host": "h", "pid": 1, "worker": worker})
        return [state, producer.event("log", {"stream": "stdout", "text": f"{number}\n"})]

    lost = observed_end({"uid": uid, "attempt": 2}, ends.lost("its worker is gone"))
    database.apply(uid, [*attempt(2, "worker-0"), lost, *attempt(3, "worker-1")])
    for number, worker in ((2, "worker-0"), (3, "worker-1")):
        (line,) = cli("logs", parent, "--attempt", str(number)).out.splitlines()
        assert line.endswith(f"#2 {worker} | {number}")
    assert cli("logs", uid).out == "3\n"  # of one run, the bytes that it wrote
    page = cli("runs", "show", uid).out
    assert "worker   worker-1" in page
    assert "on worker-0  its worker is gone" in page
    attempts = json.loads(cli("runs", "show", uid, "--json").out)["status"]["attempts"]
    assert [each.get("worker") for each in attempts] == [None, "worker-0", "worker-1"]


def test_delete_asks(cli, add_run, monkeypatch, database):
    import io

    uid = add_run(end=COMPLETED)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cli("runs", "delete", uid).code == 1
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    refused = cli("runs", "delete", uid)
    assert (refused.code, "Add --yes." in refused.err) == (2, True)
    assert database.run(uid)
    assert cli("runs", "delete", uid[:20], "--yes").code == 0
    assert json.loads(cli("runs", "list", "--json").out) == []


def test_a_run_that_has_not_ended_is_not_deleted(cli, add_run):
    done = cli("runs", "delete", add_run(), "--yes")
    assert done.code == 2
    assert "framework abort" in done.err


def test_sync_with_nothing_to_do_says_so(cli):
    assert "0 runs brought to an end." in cli("runs", "sync").err
    assert json.loads(cli("runs", "sync", "--json").out) == []
