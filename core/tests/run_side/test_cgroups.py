"""Control groups: of version 2 on a tree of plain files, of version 1 for real where this machine lets us."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from framework_run import cgroups, ends
from framework_run.accounts import Accounts

LIMITS = {"memory": Fraction(2**29), "cpu": Fraction(3, 2), "nvidia.com/gpu": Fraction(1)}
USERS = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A version 2 tree with a part of it delegated: app.slice gives memory and cpu on."""
    folder = tmp_path / "user.slice/user-1000.slice/user@1000.service/app.slice"
    (folder / "terminal.scope").mkdir(parents=True)
    (folder / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (folder / "terminal.scope" / "cgroup.subtree_control").write_text("\n")
    return tmp_path


def create(tree: Path, own: str = USERS, limits: dict[str, Fraction] = LIMITS) -> cgroups.Group | None:
    return cgroups.create("run.1", limits, root=str(tree), own=own)


def test_version_2_is_made_below_the_group_that_gives_its_controllers_on(tree):
    group = create(tree)
    assert group is not None
    (folder,) = set(group.folders.values())
    assert Path(folder).parent.name == "app.slice"
    assert (Path(folder) / "memory.max").read_text() == str(2**29)
    assert (Path(folder) / "cpu.max").read_text() == "150000 100000"
    assert not (Path(folder) / "memory.swap.max").exists()  # this kernel counts no swap


def test_where_swap_is_counted_a_run_gets_none(tree, monkeypatch):
    monkeypatch.setattr(cgroups.os.path, "exists", lambda path: path.endswith("memory.swap.max"))
    group = create(tree)
    assert group is not None
    assert (Path(group.folders["memory"]) / "memory.swap.max").read_text() == "0"


def test_version_2_without_a_delegated_group_makes_none(tree):
    (tree / "user.slice/user-1000.slice/user@1000.service/app.slice/cgroup.subtree_control").write_text("pids\n")
    assert create(tree) is None


def test_a_run_within_a_run_does_not_leave_its_limits(tree):
    inside = USERS.replace("terminal.scope", "framework-outer.1")
    (tree / inside.strip().removeprefix("0::/")).mkdir()
    assert create(tree, inside) is None


def test_what_version_2_counts(tree):
    group = create(tree)
    assert group is not None
    folder = Path(group.folders["memory"])
    assert (group.oom_kills(), group.memory()) == (0, 0)
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n")
    (folder / "memory.stat").write_text("anon 1000\nfile 99999\nshmem 24\n")
    assert (group.oom_kills(), group.memory()) == (2, 1024)


def test_a_process_joins_by_writing_itself(tree):
    group = create(tree)
    assert group is not None
    group.join()
    assert (Path(group.folders["cpu"]) / "cgroup.procs").read_text() == "0"


def test_a_limit_that_the_kernel_refuses_is_left_out(tree, monkeypatch):
    write = cgroups._write

    def refuse(path: str, text: str) -> None:
        if path.endswith("cpu.max"):
            raise PermissionError
        write(path, text)

    monkeypatch.setattr(cgroups, "_write", refuse)
    group = create(tree)
    assert group is not None
    assert list(group.folders) == ["memory"]


def test_version_1_has_a_tree_a_controller(tmp_path):
    for folder in ("memory/mine", "cpu"):
        (tmp_path / folder).mkdir(parents=True)
    group = create(tmp_path, "4:memory:/mine\n1:cpu,cpuacct:/gone\n0::/\n")
    assert group is not None
    memory, cpu = Path(group.folders["memory"]), Path(group.folders["cpu"])
    assert (memory.parent.name, cpu.parent.name) == ("mine", "cpu")
    assert (memory / "memory.limit_in_bytes").read_text() == str(2**29)
    assert (cpu / "cpu.cfs_quota_us").read_text() == "150000"
    (memory / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    (memory / "memory.stat").write_text("rss 1\ntotal_rss 500\ntotal_shmem 12\ntotal_cache 7\n")
    assert (group.oom_kills(), group.memory()) == (3, 512)


def test_nothing_is_made_for_limits_that_are_no_controllers(tree):
    assert create(tree, limits={"nvidia.com/gpu": Fraction(1)}) is None


def test_an_end_names_the_limit_that_lies_behind_it(tree):
    group = create(tree)
    assert group is not None
    accounts = Accounts(group, 0, {"memory": "512Mi"})
    error = ends.user_error("BrokenProcessPool: a child died", exit_code=1)
    assert accounts.explained(error) == error
    (Path(group.folders["memory"]) / "memory.events").write_text("oom_kill 1\n")
    found = accounts.explained(error)
    assert found["cause"] == "OutOfMemory"
    assert found["message"] == "the kernel killed a process of it at its limit memory=512Mi: " + error["message"]
    assert accounts.explained(ends.completed()) == ends.completed()
    assert accounts.peak({"memory": 5.0, "cpu": 1.0}) == {"memory": 2**29, "cpu": 1.0}


ALLOCATE = "import sys; sys.stdin.read(1); data = bytearray({size}); print('survived')"


def test_the_kernel_holds_a_real_group_to_its_limit():
    group = cgroups.create(f"test-{os.getpid()}", {"memory": Fraction(64 * 2**20)})
    if group is None:
        pytest.skip("no control group can be made here")
    try:
        words = [sys.executable, "-c", ALLOCATE.format(size=256 * 2**20)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for folder in group.folders.values():
            (Path(folder) / "cgroup.procs").write_text(str(process.pid))
        out, _ = process.communicate(b"x")
        assert (process.returncode, out) == (-9, b"")
        assert group.oom_kills() == 1
    finally:
        group.remove()
    assert not any(Path(folder).exists() for folder in group.folders.values())


JOINED = """
import sys
sys.path.insert(0, sys.argv[1])
from framework_run.cgroups import Group
Group({"memory": sys.argv[2]}, 2).join()
print(open("/proc/self/cgroup").read(), flush=True)
sys.stdin.read()
"""


def test_a_process_is_in_a_real_group_of_version_2_which_stays_as_long():
    """Its controllers may be at version 1, as on a machine that has both: what limits it is in the tests above."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next((place for _, place, kind, *_ in mounts if kind == "cgroup2"), "")
    folder = Path(root, f"framework-test-{os.getpid()}")
    if not root or not os.access(root, os.W_OK):
        pytest.skip("no control group of version 2 can be made here")
    folder.mkdir()
    try:
        source = Path(cgroups.__file__).parents[1]
        words = [sys.executable, "-I", "-c", JOINED, str(source), str(folder)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            said = iter(process.stdout.readline, "\n")
            assert any(line.startswith("0::") and line.endswith(f"/{folder.name}\n") for line in said)
            cgroups.remove({str(folder)})
            assert folder.exists()
            process.communicate("")
    finally:
        cgroups.remove({str(folder)})
    assert not folder.exists()
