"""Whole or not at all: killed writers, writers at once, no room."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.errors import StorageError
from framework.storages import Stat, Storage
from framework.testing.storing import noise, promised, start

_MIB = 2**20  # bytes
_SMALL = 4 * _MIB  # the size of the small disk


def everything(storage: Storage) -> list[Stat]:
    """All that is kept, each opened, which verifies it."""
    found = list(storage.list())
    for stat in found:
        with storage.open(stat.uri) as stream:
            assert len(stream.read()) == stat.size
    return found


def _run(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=100)
    except BaseException:
        process.kill()
        process.wait()
        raise
    assert process.returncode == 0
    return output


class InterruptionsSuite:
    """What happens to a put does not happen to the storage."""

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        """A folder on a disk of 4 MiB of its own."""
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            pytest.skip("a disk of its own needs root on Linux")
        folder = tmp_path / "disk"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", str(folder)]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
        yield folder
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

    @pytest.fixture
    def small_storage(self) -> Storage:
        """An empty storage with room for 4 MiB; override it, with ``small_disk`` if its content lies in files."""
        pytest.skip("the fixture `small_storage` is not overridden")

    def test_a_killed_writer_leaves_whole_objects_only(self, storage: Storage) -> None:
        seeded = random.Random(20)  # noqa: S311  repeatable on purpose
        said = 0
        for turn in range(5):
            writer = start("put_many", storage, turn * 1000, 1000, 3 * _MIB)
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(seeded.uniform(0, 0.15))
            writer.kill()
            rest, _ = writer.communicate()
            kept = {stat.uri for stat in everything(storage)}
            told = [line["uri"] for line in promised(first + rest)]
            assert told, "the writer had begun"
            assert set(told) <= kept, "what was promised is there"
            said += len(told)
        assert len(list(storage.list())) <= said + 5, "at most one a turn that was whole and not yet promised"

    def test_a_put_after_a_killed_one_of_the_same_content_works(self, storage: Storage) -> None:
        writer = start("put_many", storage, 7, 1, 64 * _MIB)
        time.sleep(0.5)
        writer.kill()
        writer.communicate()
        stat = storage.put(noise(7, 64 * _MIB))
        assert [found.uri for found in everything(storage)] == [stat.uri]

    def test_writers_of_the_same_content_at_once_make_one_object(self, storage: Storage) -> None:
        writers = [start("put_many", storage, 0, 10, 100_000) for _ in range(4)]
        told = [promised(_run(writer)) for writer in writers]
        assert told[0] == told[1] == told[2] == told[3]
        assert sorted(stat.uri for stat in everything(storage)) == sorted(line["uri"] for line in told[0])

    def test_writers_of_other_content_at_once_lose_nothing(self, storage: Storage) -> None:
        writers = [start("put_many", storage, number * 10, 10, 50_000) for number in range(4)]
        uris = {line["uri"] for writer in writers for line in promised(_run(writer))}
        assert len(uris) == 40
        assert {stat.uri for stat in everything(storage)} == uris

    def test_threads_may_share_a_storage(self, storage: Storage) -> None:
        stats: list[Stat] = []
        threads = [
            threading.Thread(target=lambda number=number: stats.append(storage.put(noise(number % 4, 50_000))))
            for number in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(stats) == 12
        assert {stat.uri for stat in stats} == {stat.uri for stat in everything(storage)}
        assert len({stat.uri for stat in stats}) == 4

    def test_a_full_disk_is_an_error_and_leaves_nothing(self, small_storage: Storage) -> None:
        kept = small_storage.put(b"kept")
        with pytest.raises(StorageError) as caught:
            small_storage.put(noise(1, 2 * _SMALL))
        assert "No space left on device" in caught.value.message or "full" in caught.value.message
        assert caught.value.advice
        assert everything(small_storage) == [kept]
        assert small_storage.put(noise(2, _SMALL // 2)).size == _SMALL // 2, "the room of what failed is free again"

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of a file's size")
    def test_a_limit_of_the_size_of_files_is_an_error_or_none_and_leaves_nothing_half(self, storage: Storage) -> None:
        kept = storage.put(b"kept")
        (said,) = promised(_run(start("put_limited", storage, _MIB, 8 * _MIB)))
        whole = [said["uri"]] if "uri" in said else []  # a storage that writes no file of that size is not concerned
        assert whole or said["advice"]
        assert sorted(stat.uri for stat in everything(storage)) == sorted([kept.uri, *whole])

    @pytest.mark.skipif(sys.platform == "win32", reason="there is no getrusage")
    def test_a_large_file_is_streamed(self, storage: Storage, tmp_path: Path) -> None:
        with (tmp_path / "large").open("wb") as file:
            file.truncate(128 * _MIB)
            file.write(b"at the beginning")
        (said,) = promised(_run(start("put_large", storage, tmp_path / "large")))
        assert said["size"] == 128 * _MIB
        assert said["grown"] <= 48 * _MIB, "memory does not grow with the file"
