"""``framework db``, as a person at the terminal types it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def framework(tmp_path: Path) -> Shell:
    """Runs a command in a process of its own, with a home by name."""

    def run(home: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
        environment["FRAMEWORK_HOME"] = str(tmp_path / home)
        command = [sys.executable, "-m", "framework", *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


JOB = """
def work(depth: int = 1):
    print("depth", depth)
    return {"depth": depth, "text": "x" * 2000}
"""


REFUSED = {
    "merge nowhere.db": "is not there",
    "merge text.db": "neither a database nor an export",
    "merge a": "are one database",
    "merge a/framework.db a": "are one database",
    "merge other.db": "another program",
    "merge newer.db": "is newer",
    "merge half.gz": "cut",
    "merge newer.gz": "version 9",
    "merge wrong.gz": "not as an export has it",
    "merge a.gz mysql://x/y": "Unknown database scheme",
    "check half.gz": "is an export",
    "export a.gz": "is there already",
    "export nowhere/x.gz": "cannot be written",
    "backup nowhere/x.db": "cannot be written",
    "backup a.gz": "is there already",
}


class TestCommands:
    """As a person at the terminal does it."""

    @pytest.fixture
    def homes(self, framework: Shell, tmp_path: Path) -> None:
        (tmp_path / "job.py").write_text(JOB)
        for home, depth in (("a", 1), ("b", 2)):
            ended = framework(home, "run", "job.py:work", "-p", f"depth={depth}", "--name", home, "--json")
            assert ended.returncode == 0, ended.stderr

    def test_artifacts_and_code_come_along(self, framework: Shell, tmp_path: Path, homes: None) -> None:
        (tmp_path / "b.py").write_text(
            "from pathlib import Path\n\n"
            "def make() -> Path:\n    Path('o.txt').write_text('made')\n    return Path('o.txt')\n"
        )
        assert framework("b", "run", "b.py:make").returncode == 0
        merged = framework("a", "db", "merge", str(tmp_path / "b"), "--json")
        assert merged.returncode == 0, merged.stderr
        report = json.loads(merged.stdout)
        assert (report["runs_new"], report["functions_new"], report["unreachable"]) == (2, 1, [])
        (tmp_path / "b").rename(tmp_path / "gone")
        assert framework("a", "artifacts", "get", "return", "-o", "-").stdout == "made"
        assert framework("a", "run", "db://default/make", "--json").returncode == 0
        checked = framework("a", "db", "check", "--content", "--json")
        assert checked.returncode == 0, checked.stdout

    def test_what_cannot_be_reached_is_said(self, framework: Shell, tmp_path: Path, homes: None) -> None:
        (tmp_path / "b" / "artifacts").rename(tmp_path / "gone")
        merged = framework("c", "db", "merge", str(tmp_path / "b"))
        assert merged.returncode == 0, merged.stderr
        assert "Not reachable from here" in merged.stderr
        checked = framework("c", "db", "check", "--json")
        assert checked.returncode == 1
        wrong = [each for each in json.loads(checked.stdout) if not each["ok"]]
        assert [each["subject"].split()[0] for each in wrong] == ["function"]
        assert wrong[0]["advice"]

    def test_an_export_and_a_backup(self, framework: Shell, tmp_path: Path, homes: None) -> None:
        assert framework("a", "db", "export", "a.gz").returncode == 0
        assert framework("c", "db", "merge", "a.gz").stdout.startswith("Brought 1 new run, 1 new version")
        again = framework("c", "db", "merge", "a.gz")
        assert again.stdout == "Nothing is new.\n"
        ran = framework("c", "run", "db://default/work", "--json")
        assert json.loads(ran.stdout)["status"]["state"] == "completed"
        assert framework("a", "db", "backup", "a.db").returncode == 0
        assert framework("a", "db", "check", "a.db").returncode == 0
        assert "there already" in framework("a", "db", "backup", "a.db").stderr
        assert framework("a", "db", "vacuum").returncode == 0

    def test_what_is_refused(self, framework: Shell, tmp_path: Path) -> None:
        assert framework("a", "db", "export", "a.gz").returncode == 0
        connection = sqlite3.connect(tmp_path / "other.db")
        connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        shutil.copyfile(tmp_path / "a" / "framework.db", tmp_path / "newer.db")
        connection = sqlite3.connect(tmp_path / "newer.db")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        (tmp_path / "text.db").write_text("no database")
        (tmp_path / "half.gz").write_bytes((tmp_path / "a.gz").read_bytes()[:-30])
        (tmp_path / "newer.gz").write_bytes(gzip.compress(b'{"framework":"export","version":9}\n'))
        lines = b'{"framework":"export","version":1}\n{"run":{"document":{"metadata":{}}}}\n{"end":2}\n'
        (tmp_path / "wrong.gz").write_bytes(gzip.compress(lines))
        for words, said in REFUSED.items():
            ended = framework("a", "db", *words.split())
            assert ended.returncode in {1, 2}, words
            assert said in ended.stderr, words
            assert "bug" not in ended.stderr
        assert framework("a", "db", "check").returncode == 0
