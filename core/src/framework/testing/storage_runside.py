"""The run side of a storage: what the runner keeps, the planning side reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from framework.engine.archive import unpacked
from framework.storages import Storage
from framework.testing.storage_contents import digest_of, tree

_MOUNT = "framework_run.plugins."

# As the handler does it, in an interpreter that sees nothing that is installed.
_PUT = """
import json, sys
archive, target, options, path = sys.argv[1:]
sys.path.insert(0, archive)
from framework_run.targets import resolve
store = resolve(target)(**json.loads(options))
try:
    said = store.put(path)
except OSError as error:
    said = {"error": str(error)}
foreign = {"framework", "attr", "attrs", "cattrs", "click", "pluggy"} & set(sys.modules)
print(json.dumps({**said, "foreign": sorted(foreign)}))
"""


class RunSideSuite:
    """Of a storage whose `runner` names a class in the archive."""

    @pytest.fixture
    def runner(self, storage: Storage) -> dict[str, Any]:
        """What the storage gives the run side."""
        runner = storage.runner()
        assert set(runner) == {"target", "options"}
        assert json.loads(json.dumps(runner)) == runner, "it travels as JSON"
        assert runner["target"].startswith(_MOUNT)
        return runner

    def _put(self, runner: dict[str, Any], path: Path, home: Path) -> dict[str, Any]:
        """Put a path from a bare interpreter that has the archive and nothing else."""
        plugin = runner["target"].removeprefix(_MOUNT).partition(":")[0].partition(".")[0]
        archive = unpacked(home, [plugin])
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _PUT,
            archive,
            runner["target"],
            json.dumps(runner["options"]),
            path,
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert ended.returncode == 0, ended.stderr
        said: dict[str, Any] = json.loads(ended.stdout)
        assert said.pop("foreign") == [], "the run side needs nothing that is installed"
        return said

    def test_what_the_run_side_keeps_is_read_by_the_planning_side(
        self, storage: Storage, runner: dict[str, Any], tmp_path: Path
    ) -> None:
        (tmp_path / "model.bin").write_bytes(b"model")
        said = self._put(runner, tmp_path / "model.bin", tmp_path / "home")
        assert said == {"uri": said["uri"], "digest": digest_of(b"model"), "size": 5}
        with storage.open(said["uri"]) as stream:
            assert stream.read() == b"model"
        assert [stat.uri for stat in storage.list()] == [said["uri"]]
        assert storage.put(b"model").uri == said["uri"], "both sides keep one object"

    def test_a_folder_that_the_run_side_keeps_comes_back_as_one(
        self, storage: Storage, runner: dict[str, Any], tmp_path: Path
    ) -> None:
        folder = tmp_path / "folder"
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "a").write_text("a")
        said = self._put(runner, folder, tmp_path / "home")
        assert tree(storage.get(said["uri"], tmp_path / "back")) == tree(folder)
        assert storage.put(folder).uri == said["uri"]

    def test_what_the_run_side_cannot_keep_is_an_error_and_leaves_nothing(
        self, storage: Storage, runner: dict[str, Any], tmp_path: Path
    ) -> None:
        said = self._put(runner, tmp_path / "missing", tmp_path / "home")
        assert "missing" in said["error"]
        assert list(storage.list()) == []
