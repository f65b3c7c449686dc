"""`framework why` and `framework diff`, and the patch, through the command line in a git repository."""

from __future__ import annotations

import json

import pytest

from framework_run.events import Producer


def ran(tool, *words: str) -> dict:
    return json.loads(tool("run", "job.py:train", "--json", *words).stdout)


def by_field(changes: list[dict]) -> dict[str, tuple]:
    return {f"{change['section']} {change['field']}": (change["from"], change["to"]) for change in changes}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_changed_is_said_to_the_field_and_the_line(tool):
    first = ran(tool, "-i", "data=d.csv", "--depth", "3")
    (tool.top / "job.py").write_text(tool.code.replace("2.0", "3.0"))
    (tool.top / "d.csv").write_text("a,b\n1,2\n")
    second = ran(tool, "-i", "data=d.csv", "--depth", "4", "--limit", "memory=2Gi")
    uids = [run["metadata"]["uid"] for run in (first, second)]
    digests = [run["spec"]["input_contents"]["data"]["digest"] for run in (first, second)]
    assert digests[0] != digests[1]
    assert [run["spec"]["input_contents"]["data"]["size"] for run in (first, second)] == [4, 8]

    said = tool("diff", *uids)
    assert "job.py (+1 -1)" in said.stdout
    assert "--code" in said.stderr
    assert "-    return depth * 2.0" in tool("diff", *uids, "--code").stdout
    document = json.loads(tool("diff", *uids, "--json").stdout)
    assert [document["from"]["uid"], document["to"]["uid"]] == uids
    fields = by_field(document["changes"])
    assert fields["parameters depth"] == (3, 4)
    assert fields["inputs data"] == tuple(digests)
    assert fields["results return"] == (6.0, 12.0)
    assert fields["spec resources.limits.memory"] == (None, "2Gi")
    assert document["unknown"] == []

    said = tool("why", uids[1])
    assert "-    return depth * 2.0\n+    return depth * 3.0" in said.stdout
    assert "Same  packages, environment, request" in said.stdout
    explained = json.loads(tool("why", "train", "--json").stdout)
    assert explained["same"] == ["kind", "code.module", "code.handler"]
    assert by_field(explained["changed"])["spec resources.limits.memory"] == (None, "2Gi")
    assert tool("why", *uids).stdout == said.stdout
    assert "They are the same version." in tool("diff", "train", uids[1]).stderr

    shown = tool("runs", "show", uids[1]).stdout
    assert "on main with changes" in shown
    patch = tool("runs", "patch", uids[1], "-o", "p.patch")
    assert "git apply p.patch" in patch.stderr
    tool("checkout", "-q", "job.py", program="git")
    tool("apply", "p.patch", program="git")
    assert (tool.top / "job.py").read_text() == tool.code.replace("2.0", "3.0")
    done = tool("runs", "patch", uids[0], code=2)
    assert f"the run {uids[0]} was started from the commit" in done.stderr

    again = ran(tool, "-i", "data=d.csv", "--depth", "4", "--limit", "memory=2Gi")["metadata"]["uid"]
    assert "Everything that went in is the same." in tool("why", again).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["diff", "store://default/model", "train"], "'store://default/model' is neither a run nor a version"),
        (["diff", "hub://x", "train"], "'hub://x' is neither a run nor a version"),
        (["diff", "nothing", "train"], "there is neither a run nor a function 'nothing'"),
        (["diff", "0000", "train"], "there is neither a run nor a function '0000'"),
        (["diff", "a b", "train"], "'a b' names neither a run nor a function"),
        (["why", "db://default/nothing"], "there is no function 'nothing:latest'"),
        (["why", "run://default/x"], "a whole uid"),
        (["diff", "train"], "Missing argument 'B'"),
    ],
)
def test_what_is_no_run_and_no_version_is_refused(words, said, cli, database):
    done = cli(*words)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) <= 15


def test_a_run_is_not_compared_with_another_function(cli, add_run, database):
    database.put_function({"metadata": {"name": "other"}, "spec": {}, "status": {"version": "sha256:" + "a" * 64}})
    uid = add_run(spec={"function": "db://default/train@sha256:" + "b" * 64})
    done = cli("diff", uid, "other")
    assert done.code == 2
    assert "is of db://default/train, and other is another function" in done.err


def test_the_first_has_nothing_before_it(cli, add_run, database):
    database.put_function({"metadata": {"name": "train"}, "spec": {}, "status": {"version": "sha256:" + "a" * 64}})
    assert "train has no version before sha256:aaaaaaaaaaaa: it is the first" in cli("why", "train").err
    uid = add_run(spec={"function": "db://default/train@sha256:" + "a" * 64})
    assert f"there is no run of db://default/train before {uid}" in cli("why", uid).err
    assert cli("why", uid).code == 2


def test_packages_are_compared_by_name(cli, add_run, database):
    uids = []
    for lines in ("a==1\nb==2\n", "b==3\nc==1\n"):
        digest = database.put_content(lines.encode())
        uids.append(add_run(spec={"params": {"x": 1}}, events=(("environment", {"packages": digest}),)))
    document = json.loads(cli("diff", *uids, "--json").out)
    assert by_field(document["changes"]) == {
        "packages a": ("1", None),
        "packages b": ("2", "3"),
        "packages c": (None, "1"),
    }
    done = cli("why", uids[1], uids[0])
    assert "Same  code, spec, environment, parameters, inputs, request" in done.out


def test_what_is_not_kept_is_said(cli, add_run):
    first = add_run(events=(("environment", {"packages": "sha256:1"}),))
    second = add_run(
        spec={"function": "db://default/gone@sha256:" + "a" * 64}, events=(("environment", {"packages": "sha256:2"}),)
    )
    done = cli("diff", first, second)
    assert done.code == 0
    assert "Unknown: the packages cannot be compared: a list of them is not kept." in done.err
    assert "Unknown: their functions cannot be compared" in done.err


def test_numbers_that_json_has_not_are_encoded(cli, add_run, database):
    events = (("result", {"values": {"x": {"$float": "nan"}}}),)
    first, second = add_run(events=events), add_run()
    document = json.loads(cli("diff", first, second, "--json").out)
    assert by_field(document["changes"])["results x"] == ({"$float": "nan"}, None)


def test_a_run_without_a_checkout_has_no_patch(cli, add_run):
    done = cli("runs", "patch", add_run())
    assert done.code == 2
    assert "was not started from a git checkout" in done.err


def test_why_there_is_no_patch(cli, add_run, database):
    for git, said in (
        ({"commit": "c", "dirty": False, "failed": "git cannot be started: x"}, "is not known: git cannot be started"),
        ({"commit": "c", "dirty": True, "left_out": ["big.bin"]}, "are not kept: big.bin"),
    ):
        uid = add_run()
        database.apply(uid, [{**Producer({"uid": uid}).event("client", {"git": git}), "seq": 0}])
        done = cli("runs", "patch", uid)
        assert done.code == 2
        assert said in done.err


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_why_a_run_was_reused_and_why_not(tool):
    first = ran(tool, "--depth", "3", "--cache")["metadata"]["uid"]
    done = tool("run", "job.py:train", "--depth", "3", "--cache")
    assert f"reused     {first}: nothing was run" in done.stderr
    hit = json.loads(tool("runs", "list", "--json").stdout)[0]
    assert (hit["status"]["state"], hit["status"]["cached_from"]) == ("completed", first)
    assert hit["status"]["results"] == {"return": 6.0}
    explained = json.loads(tool("why", hit["metadata"]["uid"], "--json").stdout)
    assert explained["from"]["uid"] == first
    assert explained["changed"] == []
    assert explained["cache"] == f"It was not run: it reused what the run {first} gave, which was asked for the same"

    ran(tool, "--depth", "9")  # without caching: it is not what could have been reused
    missed = ran(tool, "--depth", "4", "--cache")["metadata"]["uid"]
    said = tool("why", missed)
    assert "It was run, although it may reuse another: no completed run of the same key is recorded." in said.stderr
    explained = json.loads(tool("why", missed, "--json").stdout)
    assert explained["from"]["uid"] in {first, hit["metadata"]["uid"]}
    assert by_field(explained["changed"]) == {"parameters depth": (3, 4)}
