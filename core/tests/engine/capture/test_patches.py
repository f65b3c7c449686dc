"""The patch makes the tree that ran of the commit that it was started from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework.engine.capture.patches import LARGEST, assemble, new_file
from framework.engine.capture.repository import Checkout, Probe
from framework_run.masking import Masker

NAMES = st.sampled_from(
    ["job.py", "new.py", "a b.py", 'quo"te.py', "tab\there.py", "ünicode.py", "pkg/deep.py", "data.bin"]
)
CONTENTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60).map(str.encode),
    st.sampled_from([b"", b"\n", b"one\ntwo", b"\r\n\r\n", b"diff --git a/x b/x\n", bytes(range(256))]),
    st.none(),
)


def look(top: Path) -> Checkout:
    found = Probe(top).wait(60)
    assert found is not None
    assert not found.failed
    return found


def tree(top: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def restored(git, top: Path, commit: str, patch: bytes, place: Path) -> dict[str, bytes]:
    git("worktree", "add", "-q", "--detach", "--force", str(place), commit, folder=top)
    if patch:
        git("apply", "--whitespace=nowarn", "-", folder=place, content=patch)
    found = tree(place)
    git("worktree", "remove", "--force", str(place), folder=top)
    return {name: content for name, content in found.items() if name != ".git"}


@pytest.mark.timeout(400)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(files=st.dictionaries(NAMES, CONTENTS, max_size=4), staged=st.booleans())
def test_the_patch_of_any_change_gives_the_tree_again(git, top, tmp_path, files, staged):
    git("reset", "-q", "--hard")
    git("clean", "-fdq")
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(exist_ok=True)
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
    if staged:
        git("add", "-A")
    found = look(top)
    patch = assemble(found, top, top.rglob("*"), [])
    wanted = tree(top)
    for name in patch.left_out:  # untracked and no text
        del wanted[name]
    assert restored(git, top, found.commit, patch.content, tmp_path / "again") == wanted


def test_a_program_stays_one(git, top, tmp_path):
    path = top / "run.sh"
    path.write_text("true\n")
    path.chmod(0o755)
    assert b"new file mode 100755" in assemble(look(top), top, [path], []).content


def test_an_untracked_file_that_is_no_code_is_not_in_the_patch(git, top):
    (top / "data.csv").write_text("1,2\n")
    found = look(top)
    patch = assemble(found, top, [top / "job.py"], [])
    assert found.untracked == ["data.csv"]
    assert (patch.content, patch.left_out) == (b"", [])


def test_what_is_too_large_is_left_out_and_named(git, top):
    (top / "job.py").write_text("x = 1\n")
    (top / "big.py").write_text("#\n" * 100_000)
    patch = assemble(look(top), top, top.glob("*.py"), [])
    assert b"+x = 1" in patch.content
    assert patch.left_out == ["big.py"]
    for number in range(10):
        (top / f"m{number}.py").write_text("#\n" * 60_000)
    patch = assemble(look(top), top, top.glob("*.py"), [])
    assert len(patch.content) <= LARGEST
    assert "m9.py" in patch.left_out


def test_a_large_tracked_file_is_not_even_asked_for(git, top):
    (top / "weights.bin").write_bytes(b"0")
    git("add", "-A")
    (top / "weights.bin").write_bytes(os.urandom(2 * 1024 * 1024))
    found = look(top)
    assert (found.changed, found.left_out, found.patch) == (["weights.bin"], ["weights.bin"], b"")


def test_secrets_are_taken_out(git, top):
    (top / "job.py").write_text('API_TOKEN = "ghp_0123456789"\nprint("s3cr3t-value")\ntoken_count = 12345678\n')
    patch = assemble(look(top), top, [], [Masker(["s3cr3t-value"])])
    assert b"ghp_0123456789" not in patch.content
    assert b"s3cr3t-value" not in patch.content
    assert b'+API_TOKEN = "***"' in patch.content
    assert b"token_count = 12345678" in patch.content
    assert patch.masked == 2


def test_no_commit_yet(git, top, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    git("init", "-q", "-b", "main", folder=empty)
    found = look(empty)
    assert (found.commit, found.branch, found.patch) == ("", "main", b"")


def test_settings_of_the_user_do_not_change_the_patch(git, top):
    (top / "job.py").write_text("x = 1\n")
    before = assemble(look(top), top, [], []).content
    for name, value in {"diff.noprefix": "true", "diff.mnemonicPrefix": "true", "color.ui": "always"}.items():
        git("config", name, value)
    git("config", "diff.external", "false")
    assert assemble(look(top), top, [], []).content == before


def test_git_of_a_hook_looks_at_its_own_repository(git, top, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert look(top).commit


def test_without_git_that_is_said(top, monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = Probe(top).wait(60)
    assert found is not None
    assert found.failed == "git cannot be started: No such file or directory"


def test_a_folder_that_is_no_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    found = Probe(tmp_path).wait(60)
    assert found is not None
    assert found.failed.startswith("git ended with exit code")


@pytest.mark.parametrize("content", [b"\xff", b"a\0b", None])
def test_what_is_no_text_is_not_added(content, tmp_path):
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    assert new_file("x", path) == b""


def test_a_long_line_is_looked_at_in_no_time(git, top):
    """What grows with the square of a line would never come back."""
    (top / "job.py").write_text("x" * 400_000 + "\n" + "token.a" * 250 + "\n")
    assert assemble(look(top), top, [], []).masked == 0


def test_many_threads_ask_one_probe(git, top):
    from concurrent.futures import ThreadPoolExecutor

    (top / "job.py").write_text("x = 1\n")
    probe = Probe(top)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: probe.wait(60), range(32)))
    assert {id(each) for each in found} == {id(found[0])}
    assert b"+x = 1" in found[0].patch


def test_a_forked_process_does_not_wait_for_its_parents_git(git, top, monkeypatch):
    probe = Probe(top)
    monkeypatch.setattr(probe, "_pid", os.getpid() + 1)
    found = probe.poll()
    assert found is not None
    assert "forked" in found.failed
    monkeypatch.undo()
    assert probe.wait(60) is not None


def test_what_takes_too_long_is_ended(git, top):
    probe = Probe(top)
    probe.close()
    found = probe.poll()
    assert found is not None
    assert found.failed == "git took too long"
