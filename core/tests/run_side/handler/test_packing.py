"""What is returned and logged becomes results and artifacts."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import errno
import hashlib
import io
import os
import pickle
import tarfile
import uuid
import zlib
from collections import namedtuple
from pathlib import Path
from typing import ClassVar

import pytest

from framework_run.errors import PackingError, StorageError
from framework_run.inlinestore import MOST_INLINE
from framework_run.packing import Packer
from framework_run.plain import plain


class Color(enum.Enum):
    RED = "red"


class Kept(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Point:
    x: int
    at: dt.date


Pair = namedtuple("Pair", "left right")  # noqa: PYI024  as old code has it


class Store:
    """A storage that keeps what it is given in a list, or fails."""

    put_paths: ClassVar[list[str]] = []
    error: Exception | None = None

    def __init__(self, root: str = "") -> None:
        self.root = root

    def put(self, path: str) -> dict[str, object]:
        if self.error:
            raise self.error
        content = Path(path).read_bytes()
        self.put_paths.append(path)
        return {
            "uri": f"mem://{self.root}",
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "size": len(content),
        }


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(Store, "put_paths", [])
    monkeypatch.setattr(Store, "error", None)
    return Store


@pytest.fixture
def stored(store, monkeypatch) -> Packer:
    monkeypatch.setattr("framework_run.targets.resolve", lambda _target: store)
    return Packer({"artifacts": {"storage": {"target": "any:Store", "options": {"root": "r"}}}})


@pytest.fixture
def packer() -> Packer:
    return Packer({})


def returned(value, *returns):
    return list(Packer({}).returned(value, returns))


def content_of(artifact) -> bytes:
    return zlib.decompress(base64.b64decode(artifact["content"]))


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (2**60, {"$int": str(2**60)}),
        (float("inf"), {"$float": "inf"}),
        ([1, (2, {"a": 3.5})], [1, [2, {"a": 3.5}]]),
        ({1: "a", 2.5: "b", Color.RED: "c"}, {"1": "a", "2.5": "b", "red": "c"}),
        (Color.RED, "red"),
        (Kept.ONE, 1),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (dt.timedelta(minutes=1), 60.0),
        (decimal.Decimal("0.10"), "0.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("a/b"), "a/b"),
        (Point(1, dt.date(2026, 1, 31)), {"x": 1, "at": "2026-01-31"}),
        (Pair(1, 2), [1, 2]),
        ({"$x": 1}, {"$map": [["$x", 1]]}),
    ],
)
def test_values_that_json_can_carry(value, made):
    assert plain(value) == made


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", {(1, 2): 3}, [object()], Point])
def test_values_that_json_cannot_carry(value):
    with pytest.raises(TypeError):
        plain(value)


def test_a_value_that_holds_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="holds itself"):
        plain(loop)


def test_nothing_returned_is_nothing():
    assert returned(None) == []


def test_a_mapping_is_one_result_unless_its_keys_are_named():
    assert returned({"a": 1, "b": 2}) == [("result", {"values": {"return": {"a": 1, "b": 2}}})]
    assert returned({"a": 1, "b": 2}, "b") == [("result", {"values": {"b": 2}})]
    assert returned({"a": 1}, "scores") == [("result", {"values": {"scores": {"a": 1}}})]


def test_a_tuple_is_named_by_its_places():
    assert returned((1, 2), "a", "b") == [("result", {"values": {"a": 1, "b": 2}})]
    assert returned((1, 2), "a") == [("result", {"values": {"a": [1, 2]}})]
    assert returned((1, 2)) == [("result", {"values": {"return": [1, 2]}})]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 2, 3), "returns names 2 values (a, b), but 3 values came back"),
        (5, "but one int came back"),
        (None, "but one NoneType came back"),
        ({"a": 1, "bb": 2}, "returns names 'b', which is not in the mapping that was returned. Did you mean 'bb'?"),
    ],
)
def test_names_that_do_not_fit_are_said(value, message):
    with pytest.raises(PackingError) as caught:
        returned(value, "a", "b")
    assert message in str(caught.value)


def test_artifacts_come_before_results_and_objects_are_pickled():
    (first, artifact), (second, results) = returned((Point(1, dt.date.min), {1, 2}, 3), "p", "s", "n")
    assert (first, second) == ("artifact", "result")
    assert (artifact["key"], artifact["type"], artifact["format"], artifact["name"]) == (
        "s",
        "object",
        "pickle",
        "s.pkl",
    )
    assert pickle.loads(content_of(artifact)) == {1, 2}
    assert results == {"values": {"p": {"x": 1, "at": "0001-01-01"}, "n": 3}}


def test_a_format_makes_an_artifact_of_any_value():
    ((kind, artifact),) = returned([1, 2], "numbers:json")
    assert (kind, artifact["format"], artifact["name"]) == ("artifact", "json", "numbers.json")
    assert content_of(artifact) == b"[\n 1,\n 2\n]"


def test_a_path_is_the_file(tmp_path, packer):
    path = tmp_path / "notes.md"
    path.write_text("hello")
    ((_, artifact),) = returned(path)
    assert (artifact["type"], artifact["format"], artifact["name"]) == ("file", "md", "notes.md")
    assert (content_of(artifact), artifact["size"]) == (b"hello", 5)
    assert artifact["digest"] == f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    assert packer.artifact("n", str(path), type="model", metadata={"a": 1})["metadata"] == {"a": 1}


def test_a_folder_is_one_archive_that_depends_on_content_only(tmp_path, packer):
    artifacts = []
    for name, times in (("one", 1), ("two", 2)):
        folder = tmp_path / name / "model"
        (folder / "inner").mkdir(parents=True)
        for path in (folder / "b.txt", folder / "inner" / "a.txt"):
            path.write_text(path.name)
            os.utime(path, (times, times))
        artifacts.append(packer.artifact("model", folder))
    assert artifacts[0] == artifacts[1]
    assert (artifacts[0]["type"], artifacts[0]["format"]) == ("folder", "tar")
    with tarfile.open(fileobj=io.BytesIO(content_of(artifacts[0]))) as archive:
        assert archive.getnames() == ["b.txt", "inner/a.txt"]


def test_a_string_is_a_path_that_has_to_be_there(packer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackingError, match=r"there is no file 'x\.txt'") as caught:
        packer.artifact("x", "x.txt")
    assert "format='text'" in caught.value.advice
    assert content_of(packer.artifact("x", "x.txt", format="text")) == b"x.txt"


def test_bytes_are_a_file(packer):
    artifact = packer.artifact("dir/data", b"\0\1")
    assert (artifact["type"], artifact["name"], content_of(artifact)) == ("file", "data.bin", b"\0\1")


def test_an_unknown_format_is_refused_with_the_nearest(packer):
    with pytest.raises(PackingError, match=r"Did you mean 'pickle'\?"):
        packer.artifact("x", 1, format="pikle")


def test_what_pickle_cannot_write_is_named_with_its_type(packer):
    with pytest.raises(PackingError) as caught:
        packer.artifact("model", lambda: 1)
    assert str(caught.value).startswith("artifact 'model': a function cannot be written as pickle: ")


def test_no_temporary_file_is_left(packer, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    packer.artifact("x", {1})
    with pytest.raises(PackingError):
        packer.artifact("y", lambda: 1)
    assert list(tmp_path.iterdir()) == []


def test_without_a_storage_little_fits(packer):
    packer.artifact("small", os.urandom(MOST_INLINE // 2))
    with pytest.raises(StorageError, match="artifact 'big' could not be stored: the run reaches no storage"):
        packer.artifact("big", os.urandom(MOST_INLINE // 2))


def test_what_counts_without_a_storage_is_the_compressed_size(packer):
    assert packer.artifact("zeros", bytes(2 * MOST_INLINE))["size"] == 2 * MOST_INLINE


def test_a_storage_keeps_the_content(stored, store):
    artifact = stored.artifact("x", b"abc")
    assert (artifact["uri"], artifact["size"], artifact["digest"][:7]) == ("mem://r", 3, "sha256:")
    assert "content" not in artifact
    assert not Path(store.put_paths[0]).exists()


def test_a_full_disk_is_the_storages_failure_and_says_so(stored, store, monkeypatch):
    monkeypatch.setattr(store, "error", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(StorageError, match=r"artifact 'x' could not be stored: .*No space left") as caught:
        stored.artifact("x", b"abc")
    assert caught.value.cause == "BackendError"
    assert caught.value.advice == "Free space on the disk, and run it again."


def test_a_full_disk_while_an_object_is_written_is_no_error_of_the_users(packer, monkeypatch):
    class Full:
        def __reduce__(self):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match="No space left"):
        packer.artifact("x", Full())


def test_any_failure_of_a_storage_is_the_storages(stored, store, monkeypatch):
    monkeypatch.setattr(store, "error", RuntimeError("token expired"))
    with pytest.raises(StorageError, match="artifact 'x' could not be stored: token expired"):
        stored.artifact("x", b"abc")


def test_numpy_scalars_are_numbers_and_arrays_data_sets(packer):
    np = pytest.importorskip("numpy")
    assert plain({"a": np.float32(0.5), "b": [np.int64(3)], np.int64(1): np.bool_(1)}) == {
        "a": 0.5,
        "b": [3],
        "1": True,
    }
    assert plain(np.array(7)) == 7
    assert plain(np.float64("nan")) == {"$float": "nan"}
    ((_, artifact),) = returned(np.arange(6).reshape(2, 3))
    assert (artifact["type"], artifact["format"]) == ("dataset", "npy")
    assert artifact["metadata"] == {"shape": [2, 3], "dtype": "int64"}
    assert np.load(io.BytesIO(content_of(artifact))).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert packer.artifact("objects", np.array([{}], dtype=object))["format"] == "pickle"


def test_data_frames_are_data_sets(packer):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    artifact = packer.artifact("table", frame, format="csv")
    assert (artifact["type"], artifact["name"], content_of(artifact)) == ("dataset", "table.csv", b"a,b\n1,x\n2,y\n")
    assert artifact["metadata"]["rows"] == 2
    assert list(artifact["metadata"]["columns"]) == ["a", "b"]
    indexed = packer.artifact("table", frame.set_index("a"), format="csv")
    assert content_of(indexed) == b"a,b\n1,x\n2,y\n"
    assert packer.artifact("series", frame["a"], format="csv")["type"] == "dataset"


def test_data_frames_are_parquet_where_it_can_be_written(packer):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    artifact = packer.artifact("table", pd.DataFrame({"a": [1, 2]}))
    assert artifact["format"] == "parquet"
    assert pd.read_parquet(io.BytesIO(content_of(artifact)))["a"].tolist() == [1, 2]


def test_figures_are_plots(packer):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    artifact = packer.artifact("plot", figure)
    assert (artifact["type"], artifact["format"]) == ("plot", "png")
    assert content_of(artifact).startswith(b"\x89PNG")
    assert content_of(packer.artifact("plot", figure, format="svg")).startswith(b"<?xml")
