"""The archive: deterministic, small, and made once."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from framework.engine import archive
from framework.errors import BackendError, PluginError

PLUGIN = "framework_storage_file"
LARGEST = 200 * 1024  # bytes


@pytest.fixture
def sources(tmp_path_factory, monkeypatch) -> Path:
    """A copy of the run side, which nobody edits meanwhile, in the place of the installed one."""
    import framework_run

    copy = tmp_path_factory.mktemp("elsewhere") / "framework_run"
    shutil.copytree(Path(framework_run.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(framework_run, "__file__", str(copy / "__init__.py"))
    return copy


def names(built: archive.Archive) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(built.data)).namelist()


def test_it_holds_the_run_side_the_facade_and_the_run_sides_of_plugins():
    found = names(archive.build([PLUGIN]))
    assert found == sorted(found)
    assert {"__main__.py", "framework_run/supervisor.py", "framework_run/handler.py"} <= set(found)
    assert {"facade/framework/__init__.py", f"framework_run/plugins/{PLUGIN}/__init__.py"} <= set(found)
    assert not [name for name in found if "__pycache__" in name or name.startswith("framework_run/facade")]
    assert not [name for name in names(archive.build()) if PLUGIN in name]


def test_it_is_small():
    assert len(archive.build([PLUGIN]).data) <= LARGEST


def test_the_same_content_gives_the_same_bytes_and_digest(sources):
    first, second = archive.build([PLUGIN]), archive.build([PLUGIN, PLUGIN])
    assert first == second
    assert first.digest.startswith("sha256:")
    assert archive.build().digest != first.digest


def test_dates_of_the_sources_do_not_matter(sources):
    first = archive.build()
    for path in sources.rglob("*.py"):
        os.utime(path, (1, 1))
    assert archive.build() == first
    (sources / "slot.py").write_text((sources / "slot.py").read_text() + "\n")
    assert archive.build().digest != first.digest


def test_places_of_the_sources_do_not_matter(sources, tmp_path, monkeypatch):
    import framework_run

    first = archive.build()
    shutil.copytree(sources, tmp_path / "framework_run")
    monkeypatch.setattr(framework_run, "__file__", str(tmp_path / "framework_run" / "__init__.py"))
    assert archive.build() == first


def test_a_source_that_changes_gives_another_folder(sources, tmp_path):
    first = archive.unpacked(tmp_path)
    (sources / "slot.py").write_text((sources / "slot.py").read_text() + "\n")
    second = archive.unpacked(tmp_path)
    assert second != first
    assert (second / "framework_run" / "slot.py").read_bytes() == (sources / "slot.py").read_bytes()


def test_another_interpreter_builds_the_same_digest():
    source = "from framework.engine.archive import build; print(build(['framework_storage_file']).digest)"
    for seed in ("0", "1"):
        told = subprocess.run(
            [sys.executable, "-c", source],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert told.stdout.strip() == archive.build([PLUGIN]).digest


def test_it_is_executed_as_a_file_and_unpacked(tmp_path):
    packed = tmp_path / "runner.pyz"
    packed.write_bytes(archive.build().data)
    for place in (packed, archive.unpacked(tmp_path)):
        ended = subprocess.run(
            [sys.executable, "-I", place, tmp_path / "missing.json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2
        assert "submission" in ended.stderr


def test_unpacking_is_done_once_and_the_content_is_that_of_the_archive(sources, tmp_path, monkeypatch):
    built = archive.build([PLUGIN])
    folder = archive.unpacked(tmp_path, [PLUGIN])
    assert folder == tmp_path / "cache" / "runner" / built.digest.removeprefix("sha256:")
    with zipfile.ZipFile(io.BytesIO(built.data)) as content:
        assert all((folder / name).read_bytes() == content.read(name) for name in content.namelist())
    monkeypatch.setattr(archive, "_contents", lambda _: pytest.fail("the sources were read again"))
    assert archive.unpacked(tmp_path, [PLUGIN]) == folder


def test_it_is_compiled_for_this_python(tmp_path):
    folder = archive.unpacked(tmp_path)
    sources = list(folder.rglob("*.py"))
    assert len(list(folder.rglob("*.pyc"))) == len(sources)


def test_a_cache_that_was_emptied_is_filled_again(sources, tmp_path):
    folder = archive.unpacked(tmp_path)
    shutil.rmtree(folder)
    assert archive.unpacked(tmp_path) == folder
    assert (folder / "__main__.py").is_file()


def test_many_at_once_find_one_whole_folder(sources, tmp_path):
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(archive.unpacked(tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert [path for path in (tmp_path / "cache" / "runner").iterdir() if path.is_dir()] == [found[0]]


def test_a_home_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "cache").write_text("a file in its way")
    with pytest.raises(BackendError, match="the runner cannot be written to") as caught:
        archive.unpacked(tmp_path)
    assert "FRAMEWORK_HOME" in caught.value.advice


def test_a_plugin_that_is_not_installed_or_has_no_run_side_is_named():
    with pytest.raises(PluginError, match="'framework_storage_nowhere' is not installed") as caught:
        archive.build(["framework_storage_nowhere"])
    assert caught.value.advice == "pip install framework-storage-nowhere"
    with pytest.raises(PluginError, match="'framework_db_sql' has no run side"):
        archive.build(["framework_db_sql"])
