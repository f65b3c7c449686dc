"""What is put comes back, unchanged, once, and by its digest."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from framework.errors import StorageError
from framework.storages import Storage


def digest_of(content: bytes) -> str:
    """``sha256:…`` of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tree(folder: Path) -> dict[str, bytes | None]:
    """The content of a folder: names and bytes, None for a folder in it."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


class _Failing(io.RawIOBase):
    """A source that gives a MiB and then fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._given > 2**20:
            raise self._error
        buffer[:] = bytes(len(buffer))
        self._given += len(buffer)
        return len(buffer)


class ContentsSuite:
    """Put, open, get, list, stat, delete."""

    def damage(self, storage: Storage, uri: str) -> None:  # noqa: ARG002  what overrides it uses them
        """Change the content of an object behind the storage's back; override it where that can be done."""
        pytest.skip(f"{type(self).__name__}.damage is not overridden")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with all that a folder may have."""
        folder = tmp_path / "made" / "folder"
        (folder / "inner" / "empty").mkdir(parents=True)
        (folder / "a.bin").write_bytes(bytes(range(256)) * 100)
        (folder / "größe.txt").write_text("größer", encoding="utf-8")
        (folder / "inner" / "run.sh").write_text("#!/bin/sh\n")
        (folder / "inner" / "run.sh").chmod(0o755)
        return folder

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "small", "a MiB"])
    @pytest.mark.parametrize("form", ["bytes", "file", "stream"])
    def test_what_is_put_comes_back(self, storage: Storage, tmp_path: Path, content: bytes, form: str) -> None:
        (tmp_path / "source").write_bytes(content)
        forms: dict[str, Path | BinaryIO | bytes] = {
            "bytes": content,
            "file": tmp_path / "source",
            "stream": io.BytesIO(content),
        }
        stat = storage.put(forms[form])
        with storage.open(stat.uri) as stream:
            assert stream.read() == content
        assert storage.get(stat.uri, tmp_path / "target") == tmp_path / "target"
        assert (tmp_path / "target").read_bytes() == content
        assert (stat.size, stat.digest) == (len(content), digest_of(content))
        assert storage.stat(stat.uri) == stat
        assert list(storage.list()) == [stat]

    def test_an_empty_storage_lists_nothing(self, storage: Storage) -> None:
        assert list(storage.list()) == []

    def test_the_same_content_is_one_object_however_it_comes(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "one").write_bytes(b"content")
        stats = [storage.put(b"content"), storage.put(tmp_path / "one"), storage.put(io.BytesIO(b"content"))]
        assert stats[0] == stats[1] == stats[2]
        assert list(storage.list()) == stats[:1]

    def test_other_content_is_another_object_and_changes_none(self, storage: Storage, tmp_path: Path) -> None:
        source = tmp_path / "model.bin"
        source.write_bytes(b"first")
        first = storage.put(source)
        source.write_bytes(b"second")
        second = storage.put(source)
        assert first.uri != second.uri
        for stat, content in ((first, b"first"), (second, b"second")):
            with storage.open(stat.uri) as stream:
                assert stream.read() == content
        assert sorted(stat.digest for stat in storage.list()) == sorted([first.digest, second.digest])

    def test_a_folder_comes_back_as_it_was(self, storage: Storage, folder: Path, tmp_path: Path) -> None:
        stat = storage.put(folder)
        back = storage.get(stat.uri, tmp_path / "back")
        assert tree(back) == tree(folder)
        assert os.access(back / "inner" / "run.sh", os.X_OK)
        assert list(storage.list()) == [stat]

    def test_a_folder_is_the_same_object_wherever_and_whenever_it_was_made(
        self, storage: Storage, folder: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "elsewhere" / "copy"
        copy.parent.mkdir()
        shutil.copytree(folder, copy)
        (copy / "a.bin").chmod(0o600)
        os.utime(copy / "a.bin", (1, 1))
        assert storage.put(copy) == storage.put(folder)
        (copy / "a.bin").rename(copy / "b.bin")
        assert storage.put(copy) != storage.put(folder)

    def test_an_archive_that_was_put_as_a_file_stays_a_file(
        self, storage: Storage, folder: Path, tmp_path: Path
    ) -> None:
        with tarfile.open(tmp_path / "mine.tar", "w") as archive:
            archive.add(folder, "folder")
        back = storage.get(storage.put(tmp_path / "mine.tar").uri, tmp_path / "back")
        assert back.read_bytes() == (tmp_path / "mine.tar").read_bytes()

    def test_a_target_that_is_there_is_left_alone(self, storage: Storage, tmp_path: Path) -> None:
        stat = storage.put(b"content")
        (tmp_path / "target").write_bytes(b"mine")
        with pytest.raises(StorageError):
            storage.get(stat.uri, tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == b"mine"

    def test_the_folders_above_a_target_are_made(self, storage: Storage, tmp_path: Path) -> None:
        stat = storage.put(b"content")
        assert storage.get(stat.uri, tmp_path / "a" / "b" / "target").read_bytes() == b"content"

    def test_what_is_deleted_is_gone_and_the_rest_is_not(self, storage: Storage, tmp_path: Path) -> None:
        gone, kept = storage.put(b"gone"), storage.put(b"kept")
        storage.delete(gone.uri)
        storage.delete(gone.uri)
        assert list(storage.list()) == [kept]
        look_ups: list[Callable[[], object]] = [
            lambda: storage.open(gone.uri),
            lambda: storage.stat(gone.uri),
            lambda: storage.get(gone.uri, tmp_path / "target"),
        ]
        for look_up in look_ups:
            with pytest.raises(StorageError) as caught:
                look_up()
            assert gone.uri in caught.value.message
            assert caught.value.advice
        assert not (tmp_path / "target").exists()
        assert storage.put(b"gone") == gone

    @pytest.mark.parametrize("uri", ["", "nowhere", "other-scheme://host/object", "file:///etc/passwd"])
    def test_what_is_no_object_of_it_is_refused(self, storage: Storage, tmp_path: Path, uri: str) -> None:
        kept = storage.put(b"kept")
        for action in (storage.open, storage.stat, storage.delete, lambda name: storage.get(name, tmp_path / "t")):
            with pytest.raises(StorageError):
                action(uri)
        assert list(storage.list()) == [kept]

    def test_a_missing_source_is_an_error_and_leaves_nothing(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="missing"):
            storage.put(tmp_path / "missing")
        assert list(storage.list()) == []

    @pytest.mark.parametrize("error", [OSError("the source broke"), ValueError("the source broke")])
    def test_a_source_that_breaks_in_the_middle_leaves_nothing(self, storage: Storage, error: Exception) -> None:
        with pytest.raises((StorageError, ValueError), match="the source broke"):
            storage.put(io.BufferedReader(_Failing(error)))
        assert list(storage.list()) == []

    def test_another_storage_of_the_same_url_sees_it(self, storage: Storage) -> None:
        stat = storage.put(b"content")
        assert list(type(storage)(storage.url).list()) == [stat]

    def test_a_storage_that_is_opened_by_the_uri_of_an_object_reads_it(self, storage: Storage) -> None:
        stat = storage.put(b"content")
        with type(storage)(stat.uri).open(stat.uri) as stream:
            assert stream.read() == b"content"

    def test_content_that_has_changed_is_never_given(self, storage: Storage, tmp_path: Path) -> None:
        stat = storage.put(b"content" * 1000)
        self.damage(storage, stat.uri)
        with pytest.raises(StorageError) as caught:
            storage.open(stat.uri)
        assert stat.digest in caught.value.message
        with pytest.raises(StorageError, match="has changed"):
            storage.get(stat.uri, tmp_path / "out" / "target")
        assert not list(tmp_path.glob("out/*")), "nothing is left of what was begun"

    def test_a_folder_that_has_changed_is_never_given(self, storage: Storage, folder: Path, tmp_path: Path) -> None:
        stat = storage.put(folder)
        self.damage(storage, stat.uri)
        with pytest.raises(StorageError):
            storage.get(stat.uri, tmp_path / "out" / "target")
        assert not list(tmp_path.glob("out/*"))

    def test_putting_content_again_mends_it(self, storage: Storage) -> None:
        stat = storage.put(b"content" * 1000)
        self.damage(storage, stat.uri)
        assert storage.put(b"content" * 1000) == stat
        with storage.open(stat.uri) as stream:
            assert stream.read() == b"content" * 1000
