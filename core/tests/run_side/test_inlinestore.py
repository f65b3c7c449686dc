"""The store whose contents go into events."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from pathlib import Path

import pytest

from framework_run.errors import StorageError
from framework_run.inlinestore import MOST_INLINE, Store


@pytest.mark.parametrize(
    "content",
    [b"", b"x", os.urandom(3_000_000), bytes(20_000_000)],
    ids=len,
)
def test_what_is_put_comes_as_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    said = Store().put(str(tmp_path / "file"))
    assert zlib.decompress(base64.b64decode(said.pop("content"))) == content
    assert said == {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}


def test_the_limit_is_for_all_together_and_what_was_refused_counts_for_nothing(tmp_path: Path) -> None:
    store = Store()
    (tmp_path / "half").write_bytes(os.urandom(MOST_INLINE // 2))
    (tmp_path / "much").write_bytes(os.urandom(3 * MOST_INLINE))
    (tmp_path / "rest").write_bytes(os.urandom(MOST_INLINE // 4))
    store.put(str(tmp_path / "half"))
    with pytest.raises(
        StorageError, match=r"4 MiB in all, compressed: 2,09\d,\d+ bytes are used.* 12,582,912 bytes"
    ) as e:
        store.put(str(tmp_path / "much"))
    assert "artifact path" in e.value.advice
    store.put(str(tmp_path / "rest"))


def test_what_is_refused_is_left_where_it_can_be_fetched(tmp_path: Path) -> None:
    store = Store(limit=100, keep=str(tmp_path / "kept"))
    (tmp_path / "model").write_bytes(os.urandom(1000))
    for number in range(2):
        with pytest.raises(StorageError) as e:
            store.put(str(tmp_path / "model"))
        place = tmp_path / "kept" / f"{number}-model"
        assert str(place) in e.value.advice
        assert place.read_bytes() == (tmp_path / "model").read_bytes()


def test_what_cannot_be_read_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Store().put(str(tmp_path / "missing"))
