from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework.errors import SourceError
from framework.sources import trees
from framework.sources.ignore import Ignore, is_ignored
from framework.sources.trees import tree

Plant = Callable[..., Path]


def test_every_file_has_the_digest_of_its_content(plant: Plant) -> None:
    folder = plant({"a.py": "x", "pkg/b.py": "y", "data/größe.csv": "z"})
    assert tree(folder) == {
        path: f"sha256:{hashlib.sha256(content).hexdigest()}"
        for path, content in [("a.py", b"x"), ("data/größe.csv", b"z"), ("pkg/b.py", b"y")]
    }


def test_caches_environments_and_version_control_are_left_out(plant: Plant) -> None:
    folder = plant(
        {
            "a.py": "",
            ".git/config": "",
            "__pycache__/a.pyc": "",
            "b.pyc": "",
            ".venv/x.py": "",
            "env/pyvenv.cfg": "",
            "env/lib/x.py": "",
            "node_modules/x.js": "",
        }
    )
    assert list(tree(folder)) == ["a.py"]


def test_links_are_followed_but_not_in_circles(plant: Plant) -> None:
    folder = plant({"a.py": "1", "pkg/b.py": "2"})
    (folder / "pkg/back").symlink_to(folder)
    (folder / "also").symlink_to(folder / "pkg")
    (folder / "c.py").symlink_to(folder / "a.py")
    (folder / "broken.py").symlink_to(folder / "nowhere")
    assert {"a.py", "pkg/b.py", "also/b.py", "c.py"} <= set(tree(folder))
    assert "broken.py" not in tree(folder)


def test_a_file_name_that_is_no_utf_8_is_refused(plant: Plant) -> None:
    folder = plant({"a.py": ""})
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.py")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(SourceError, match="no UTF-8"):
        tree(folder)


@pytest.fixture
def large(plant: Plant) -> Path:
    """A folder large enough for the cache, old enough to be trusted."""
    folder = plant({f"part{number % 7}/m{number}.py": str(number) for number in range(300)})
    time.sleep(2 * trees._TICK_NS / 1e9)
    return folder


def test_what_has_not_changed_is_not_read_again(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(large)
    read: list[str] = []
    digest = trees._digest
    monkeypatch.setattr(trees, "_digest", lambda path: read.append(path) or digest(path))
    assert tree(large) == before
    assert read == []


def test_a_change_that_keeps_size_and_time_is_seen(large: Path) -> None:
    before = tree(large)
    file = large / "part3/m3.py"
    stat = file.stat()
    file.write_text("7")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = tree(large)
    assert {path for path in before if before[path] != after[path]} == {"part3/m3.py"}


def test_files_that_come_and_go_are_seen(large: Path) -> None:
    before = tree(large)
    (large / "part0/m0.py").unlink()
    (large / "new.py").write_text("new")
    assert set(tree(large)) == set(before) - {"part0/m0.py"} | {"new.py"}


def test_a_file_that_was_written_just_now_is_not_remembered(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (large / "fresh.py").write_text("1")
    tree(large)
    read: list[str] = []
    digest = trees._digest
    monkeypatch.setattr(trees, "_digest", lambda path: read.append(path) or digest(path))
    tree(large)
    assert [Path(path).name for path in read] == ["fresh.py"]


def test_a_damaged_cache_is_as_none(large: Path, home: Path) -> None:
    before = tree(large)
    (cache,) = (home / "cache/digests").iterdir()
    for text in ("{", "[]", "\0"):
        cache.write_text(text)
        assert tree(large) == before


def test_a_home_that_cannot_be_written_does_no_harm(large: Path, home: Path) -> None:
    home.parent.joinpath("home").write_text("a file, where the folder would be")
    assert tree(large) == tree(large)


PATTERNS = st.lists(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["", "/", "**/"]),
        st.lists(
            st.sampled_from(["a", "b", "*", "?", "**", "a*", "*.py", "[ab]", "[!a]", "[^a]*", r"\*", "a b", "x.y"]),
            min_size=1,
            max_size=3,
        ).map("/".join),
        st.sampled_from(["", "/", "/**", "  "]),
    )
    | st.sampled_from(["", "# comment", r"\#a", r"\!a", "[", "*/"]),
    max_size=5,
)
PATHS = [
    "a",
    "b",
    "c.py",
    "#a",
    "!a",
    "x.y",
    "a b",
    "a/a",
    "a/b/a",
    "a/b/c.py",
    "b/a",
    "b/b/b",
    "c/a/b",
    "c/x.y",
    "*",
    "b/*",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what it is compared with")
@given(patterns=PATTERNS, nested=PATTERNS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_gitignore_files_mean_what_they_mean_to_git(
    patterns: list[str], nested: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("repository")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True, env=environment)
    files = [path for path in PATHS if not any(other.startswith(f"{path}/") for other in PATHS)]
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    (folder / ".gitignore").write_text("\n".join(patterns))
    (folder / "a/.gitignore").write_text("\n".join(nested))
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=folder,
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    ).stdout
    assert set(tree(folder)) == set(listed.split("\0")) - {""}
    shutil.rmtree(folder)


def test_the_innermost_gitignore_that_speaks_decides() -> None:
    ignores = [Ignore("!keep.csv", "data/"), Ignore("*.csv", "")]
    assert not is_ignored("data/keep.csv", is_folder=False, ignores=ignores)
    assert is_ignored("data/other.csv", is_folder=False, ignores=ignores)
