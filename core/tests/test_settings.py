from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework import home as places
from framework.errors import BackendError, UsageError
from framework.home import default_database, default_storage, home, make
from framework.settings import Settings, explain, load, name_of, write


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and nothing set."""
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _config(room: Path, text: str) -> Path:
    room.mkdir(exist_ok=True)
    (room / "config.toml").write_text(text)
    return room / "config.toml"


def test_everything_lies_in_the_home_unless_told(room: Path) -> None:
    assert load() == Settings(
        db=f"sqlite:///{room}/framework.db", storage=f"file://{room}/artifacts", project="default"
    )
    assert not room.exists(), "reading settings writes nothing"


def test_a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default(
    room: Path, monkeypatch
) -> None:
    def project() -> tuple[str, str]:
        return next((value, origin) for name, value, origin in explain({"project": flag}) if name == "project")

    flag = None
    assert project() == ("default", "default")
    path = _config(room, 'project = "in-file"\n')
    assert project() == ("in-file", str(path))
    monkeypatch.setenv("FRAMEWORK_PROJECT", "in-environment")
    assert project() == ("in-environment", "FRAMEWORK_PROJECT")
    flag = "in-flag"
    assert project() == ("in-flag", "command line")


def test_an_empty_variable_sets_nothing(monkeypatch) -> None:
    monkeypatch.setenv("FRAMEWORK_PROJECT", "")
    assert load().project == "default"


def test_the_home_is_absolute_and_knows_the_users_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMEWORK_HOME", "here")
    assert home() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FRAMEWORK_HOME", "~/there")
    assert home() == tmp_path / "there"


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of XDG")
def test_without_a_home_it_is_the_users_data_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FRAMEWORK_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home() == tmp_path / "data/framework"
    monkeypatch.setenv("XDG_DATA_HOME", "relative, which the specification tells to ignore")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".local/share/framework"


@pytest.mark.skipif(not hasattr(os, "setuid") or os.geteuid() != 0, reason="only root may become somebody else")
def test_a_user_without_a_home_folder_is_told_to_set_one() -> None:
    source = (
        "import os; os.environ.clear(); os.setuid(54321)\n"
        "from framework.errors import UsageError\nfrom framework.home import home\n"
        "try:\n    print('no error', home())\nexcept UsageError as error:\n    print(error.advice)"
    )
    # The modules are imported first: another user may not read the checkout.
    source = f"import framework.errors, framework.home\n{source}"
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "Set FRAMEWORK_HOME to a folder that is writable."


@pytest.mark.parametrize("name", ["with space", "100%", "a#b?c", "größe"])
def test_the_urls_of_a_home_with_any_name_lead_back_to_it(tmp_path: Path, name: str) -> None:
    from urllib.parse import unquote, urlsplit

    base = tmp_path / name
    assert unquote(urlsplit(default_storage(base)).path) == str(base / "artifacts")
    assert unquote(default_database(base).removeprefix("sqlite:///")) == str(base / "framework.db")


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ('projetc = "x"', "there is no setting 'projetc' (from: {path})", "Did you mean 'project'?"),
        ('zzz = "x"', "there is no setting 'zzz' (from: {path})", "There are db, storage, project, registry."),
        ('db = "runs.db"', "db: 'runs.db' is no URL (from: {path})", "sqlite:////folder/framework.db"),
        ('storage = "/folder"', "storage: '/folder' is no URL (from: {path})", "file:///folder/artifacts"),
        ("project = 3", "project: 3 is no text (from: {path})", 'Write it in quotes: project = "3".'),
        ('project = ""', "project: '' is no value (from: {path})", "leave the setting out"),
        ('project = "a/b"', "project: 'a/b' is no name of a project (from: {path})", "letters"),
        ("project = ", "{path!r} cannot be read: ", "Mend the file"),
        ("\udcff", "{path!r} cannot be read: ", "Mend the file"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_place_and_mend(room: Path, text, message, advice) -> None:
    path = _config(room, "")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        load()
    assert message.format(path=str(path)) in caught.value.message
    assert advice in caught.value.advice


def test_what_is_wrong_in_a_variable_is_said_with_its_name(monkeypatch) -> None:
    monkeypatch.setenv("FRAMEWORK_DB", "my.db")
    with pytest.raises(UsageError, match=r"db: 'my.db' is no URL \(from: FRAMEWORK_DB\)"):
        load()


def test_what_is_written_is_read_and_the_rest_of_the_file_stays(room: Path) -> None:
    path = _config(room, '# why: the team shares it\ndb   =  "sqlite:///old.db"  # old\n\n# mine\nproject = "p"\n')
    assert write("db", 'postgresql://me:a"b\\c@host/größe') == path
    assert load().db == 'postgresql://me:a"b\\c@host/größe'
    text = path.read_text("utf-8")
    assert text.startswith('# why: the team shares it\ndb = "postgresql://')
    assert text.endswith('\n\n# mine\nproject = "p"\n')


def test_the_first_setting_makes_home_and_file_readable_by_the_owner_alone(room: Path) -> None:
    path = write("project", "p")
    assert path == room / "config.toml"
    assert path.stat().st_mode & 0o777 == 0o600, "a URL may hold a password"
    assert [item.name for item in room.iterdir()] == ["config.toml"]


def test_a_configuration_file_that_is_a_link_stays_one(room: Path, tmp_path: Path) -> None:
    room.mkdir()
    (tmp_path / "dotfiles.toml").write_text("")
    (room / "config.toml").symlink_to(tmp_path / "dotfiles.toml")
    write("project", "p")
    assert (room / "config.toml").is_symlink()
    assert (tmp_path / "dotfiles.toml").read_text() == 'project = "p"\n'


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("projet", "x", "there is no setting 'projet'"),
        ("db", "x", "db: 'x' is no URL"),
        ("project", "two words", "is no name of a project"),
        ("project", "line\nbreak", "is no value"),
    ],
)
def test_what_a_setting_does_not_take_is_not_written(room: Path, key: str, value: str, message: str) -> None:
    path = _config(room, 'project = "p"\n')
    with pytest.raises(UsageError, match=message):
        write(key, value)
    assert path.read_text() == 'project = "p"\n'


def test_a_file_that_cannot_be_edited_by_the_line_is_left_alone(room: Path) -> None:
    text = 'project = """\np"""\n'
    path = _config(room, text)
    with pytest.raises(UsageError, match="cannot be edited") as caught:
        write("project", "q")
    assert path.read_text() == text
    assert caught.value.advice == "Set project in it by hand."


def test_a_key_is_the_name_of_a_setting() -> None:
    assert name_of("db") == "db"
    with pytest.raises(UsageError, match="there is no setting 'storag'") as caught:
        name_of("storag")
    assert caught.value.advice == "Did you mean 'storage'?"


def test_a_home_that_is_a_file_is_an_error_with_a_mend(room: Path) -> None:
    room.write_text("")
    for action in (lambda: write("project", "p"), lambda: make(places.runs_dir(room))):
        with pytest.raises(BackendError) as caught:
            action()
        assert "cannot be written" in caught.value.message
        assert "FRAMEWORK_HOME" in caught.value.advice
    assert load().project == "default"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_home_is_an_error_and_can_still_be_read(room: Path) -> None:
    _config(room, 'project = "p"\n')
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", room, room], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr}")
    try:
        assert load().project == "p"
        with pytest.raises(BackendError, match="Read-only file system"):
            write("project", "q")
        assert (room / "config.toml").read_text() == 'project = "p"\n'
    finally:
        subprocess.run(["umount", room], check=True)


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(room: Path, monkeypatch) -> None:
    path = _config(room, 'project = "p"\n')

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackendError, match="No space left on device"):
        write("project", "q")
    assert path.read_text() == 'project = "p"\n'
    assert [item.name for item in room.iterdir()] == ["config.toml"]
