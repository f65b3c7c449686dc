from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from framework_run.folders import is_packed, pack, unpack


def _packed(folder: Path) -> io.BytesIO:
    stream = io.BytesIO()
    pack(str(folder), stream)
    stream.seek(0)
    return stream


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    (folder / "größe").write_bytes(b"\0" * 3000)
    (folder / "inner" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "inner" / "run.sh").chmod(0o700)
    (folder / f"{'long' * 40}.txt").write_text("a name that is longer than a plain tar takes")
    return folder


def test_a_folder_comes_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    packed = _packed(folder)
    assert is_packed(packed)
    unpack(packed, str(tmp_path / "back"))
    assert _tree(tmp_path / "back") == _tree(folder)
    assert os.access(tmp_path / "back/inner/run.sh", os.X_OK)
    assert not (tmp_path / "back/b.txt").stat().st_mode & 0o111


def test_an_archive_depends_on_names_and_contents_only(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    copy.parent.mkdir()
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    (copy / "inner/run.sh").chmod(0o755)
    (copy / "b.txt").chmod(0o600)
    os.utime(copy / "b.txt", (1, 1))
    os.link(copy / "b.txt", tmp_path / "second name")
    assert _packed(copy).getvalue() == _packed(folder).getvalue()


def test_the_same_content_under_two_names_of_one_file_is_kept_twice(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("x")
    os.link(folder / "a", folder / "b")
    unpack(_packed(folder), str(tmp_path / "back"))
    assert _tree(tmp_path / "back") == {"a": b"x", "b": b"x"}


def test_links_are_kept_as_what_they_point_to(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "to-file").symlink_to(tmp_path / "outside/file")
    (folder / "to-folder").symlink_to(tmp_path / "outside")
    unpack(_packed(folder), str(tmp_path / "back"))
    assert _tree(tmp_path / "back") == {"to-file": b"x", "to-folder": None, "to-folder/file": b"x"}


@pytest.mark.parametrize("what", ["dangling link", "link to itself", "pipe", "no UTF-8", "backslash"])
def test_what_an_archive_cannot_keep_is_refused_by_name(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if what == "dangling link":
        (folder / "bad").symlink_to("nowhere")
    elif what == "link to itself":
        (folder / "bad").symlink_to(folder)
    elif what == "pipe":
        os.mkfifo(folder / "bad")
    elif what == "no UTF-8":
        (folder / "bad\udcff").write_text("")
    else:
        (folder / "bad\\name").write_text("")
    with pytest.raises(OSError, match="bad"):
        _packed(folder)


def test_an_archive_that_somebody_else_made_is_a_file(folder: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, "folder")
    stream.seek(0)
    assert not is_packed(stream)
    assert stream.tell() == 0


@pytest.mark.parametrize("content", [b"", b"g", b"\0" * 2000], ids=len)
def test_any_other_file_is_a_file(content: bytes) -> None:
    assert not is_packed(io.BytesIO(content))


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "a\\..\\out", "C:/out"])
def test_an_archive_that_names_a_place_outside_writes_nothing_there(tmp_path: Path, name: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    stream.seek(0)
    (tmp_path / "inner").mkdir()
    with pytest.raises(OSError, match="outside"):
        unpack(stream, str(tmp_path / "inner/target"))
    assert _tree(tmp_path) == {"inner": None, "inner/target": None}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_with_anything_but_files_and_folders_is_refused(tmp_path: Path, kind: bytes) -> None:
    stream = io.BytesIO()
    entry = tarfile.TarInfo("x")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(entry)
    stream.seek(0)
    with pytest.raises(OSError, match="neither a file nor a folder"):
        unpack(stream, str(tmp_path / "target"))


@pytest.mark.parametrize("size", [0, 700, 1600, 3000])
def test_a_damaged_archive_is_an_error(folder: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(OSError, match=r"damaged|ends in the middle"):
        unpack(io.BytesIO(_packed(folder).getvalue()[:size]), str(tmp_path / "target"))


PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.1?.*/bin/python")) or [Path(sys.executable)]


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parts[-3])
def test_every_python_writes_the_same_archive(folder: Path, tmp_path: Path, python: Path) -> None:
    package = Path(sys.modules["framework_run"].__file__).parents[1]
    source = (
        f"import sys; sys.path.insert(0, {str(package)!r})\n"
        "from framework_run.folders import pack\n"
        "with open(sys.argv[2], 'wb') as file:\n    pack(sys.argv[1], file)"
    )
    subprocess.run([python, "-S", "-c", source, folder, tmp_path / "packed"], check=True)
    assert (tmp_path / "packed").read_bytes() == _packed(folder).getvalue()
