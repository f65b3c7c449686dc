from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import StorageError
from framework_storage_file.runside.store import Store
from framework_storage_file.storage import FileStorage

DIGEST = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of b"hello"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def storage(root: Path) -> FileStorage:
    return FileStorage(root.as_uri())


def test_an_object_lies_under_its_digest_and_is_read_only(root: Path, storage: FileStorage) -> None:
    stat = storage.put(b"hello")
    path = root / "sha256" / DIGEST[7:9] / DIGEST[9:]
    assert stat.uri == path.as_uri()
    assert path.read_bytes() == b"hello"
    assert path.stat().st_mode & 0o222 == 0
    assert list((root / "incoming").iterdir()) == []


def test_who_may_read_it_is_the_umasks_to_say(root: Path, storage: FileStorage) -> None:
    before = os.umask(0o077)
    try:
        uri = storage.put(b"hello").uri
    finally:
        os.umask(before)
    assert Path(uri.removeprefix("file://")).stat().st_mode & 0o777 == 0o400


_WRITE = """
import sys, time
from framework_storage_file.runside.store import Store
class Slow:
    def read(self, size):
        print("writing", flush=True)
        time.sleep(60)
Store(sys.argv[1]).put_stream(Slow())
"""


def _writer(root: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen([sys.executable, "-c", _WRITE, root], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    return writer


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(root: Path) -> None:
    living, killed = _writer(root), _writer(root)
    try:
        assert len(list((root / "incoming").iterdir())) == 2
        killed.kill()
        killed.wait()
        assert Store(str(root)).clean() == 1
        (left,) = (root / "incoming").iterdir()
        assert left.name.startswith(f"{living.pid}-")
        living.send_signal(signal.SIGSTOP)  # it does not write, and is not gone
        assert Store(str(root)).clean() == 0
    finally:
        for writer in (living, killed):
            writer.kill()
            writer.wait()
            writer.stdout.close()
    assert Store(str(root)).clean() == 1


def test_the_first_put_of_a_process_cleans_up(root: Path, storage: FileStorage) -> None:
    writer = _writer(root)
    writer.kill()
    writer.communicate()
    assert len(list((root / "incoming").iterdir())) == 1
    storage.put(b"hello")
    assert list((root / "incoming").iterdir()) == []


def test_an_old_file_is_not_removed_for_its_age(root: Path) -> None:
    writer = _writer(root)
    try:
        (path,) = (root / "incoming").iterdir()
        os.utime(path, (1, 1))
        assert Store(str(root)).clean() == 0
    finally:
        writer.kill()
        writer.communicate()


def test_a_root_that_moves_takes_its_objects_along(root: Path, storage: FileStorage, tmp_path: Path) -> None:
    storage.put(b"hello")
    root.rename(tmp_path / "moved")
    moved = FileStorage((tmp_path / "moved").as_uri())
    (stat,) = moved.list()
    with moved.open(stat.uri) as stream:
        assert stream.read() == b"hello"


def test_an_object_of_another_root_is_read_and_not_deleted(storage: FileStorage, tmp_path: Path) -> None:
    other = FileStorage((tmp_path / "other").as_uri())
    stat = other.put(b"hello")
    with storage.open(stat.uri) as stream:
        assert stream.read() == b"hello"
    with pytest.raises(StorageError, match="is not in the storage"):
        storage.delete(stat.uri)
    assert list(other.list()) == [stat]


@pytest.mark.parametrize(
    "path", ["sha256/2c/../../../secret", "sha256/2c", "other", "sha256/ZZ/" + "0" * 62, "sha256/2c/" + "0" * 61]
)
def test_a_uri_that_is_no_objects_reads_and_deletes_nothing(
    root: Path, storage: FileStorage, tmp_path: Path, path: str
) -> None:
    storage.put(b"hello")
    (tmp_path / "secret").write_text("secret")
    uri = f"file://{root}/{path}"
    for action in (storage.open, storage.stat, storage.delete):
        with pytest.raises(StorageError, match="is no object"):
            action(uri)
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    "url", ["file://host/folder", "file:relative", "http://host/folder", "/folder", "file:///a?b", "file:///a#b", ""]
)
def test_a_url_that_is_no_folder_of_this_machine_is_refused(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        FileStorage(url)
    assert repr(url) in caught.value.message
    assert caught.value.advice.startswith("Write ")


def test_a_root_that_is_a_file_is_an_error(root: Path, storage: FileStorage) -> None:
    root.write_text("")
    with pytest.raises(StorageError, match="did not take it"):
        storage.put(b"hello")
    assert list(storage.list()) == []


def test_the_place_of_an_object_is_forced_to_the_disk(root: Path, storage: FileStorage, monkeypatch) -> None:
    """Content, its name, and the names of the folders above it, each before the URI is given."""
    synced: list[str] = []
    fsync = os.fsync

    def recorded(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what a descriptor is can be read in /proc only")
    monkeypatch.setattr(os, "fsync", recorded)
    storage.put(b"hello")
    places = [os.path.relpath(path, root) for path in synced]
    assert places[0].startswith("incoming/")
    assert set(places[1:]) >= {".", "sha256", "sha256/2c"}
    assert places[-1] == "sha256/2c"


def test_what_two_writers_of_one_store_began_at_once_is_kept_by_both(root: Path) -> None:
    with Store(str(root))._incoming() as (_, one), Store(str(root))._incoming() as (_, other):
        assert one != other  # nobody waits for a lock: this would never end
        assert Store(str(root)).clean() == 0


def test_what_another_machine_has_kept_is_read_from_here_where_it_is_the_same(tmp_path: Path) -> None:
    there, here = (FileStorage((tmp_path / name).as_uri()) for name in ("there", "here"))
    shared, lone = there.put(b"shared"), there.put(b"lone")
    here.put(b"shared")
    (tmp_path / "there").rename(tmp_path / "away")
    with here.open(shared.uri) as stream:
        assert stream.read() == b"shared"
    assert here.stat(shared.uri).size == 6
    with pytest.raises(StorageError, match="is not there"):
        here.stat(lone.uri)
