"""The archive: the run side as one deterministic zip that any CPython from 3.10 on can execute.

It holds ``__main__.py``, ``framework_run/``, the ``runside`` subpackages of plugins as
``framework_run/plugins/<import name>/``, and ``facade/framework/``. Its digest covers the names and contents of its
files in their order, not the compressed bytes: those depend on the zlib that wrote them, the digest is the same on any
machine.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from framework.errors import BackendError, PluginError

_MAIN: Final = b'''"""Runs a submission: ``python -I ARCHIVE SUBMISSION.json``."""

import sys

if sys.version_info < (3, 10):
    sys.exit("Python %d.%d is too old: a run needs 3.10 or newer" % sys.version_info[:2])

from framework_run.supervisor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
'''
_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
_MOUNTED: Final = "framework_run.plugins."
_LEVEL: Final = 9  # of zlib
_PLUGINS: Final = "framework_run.plugins."


@frozen(kw_only=True)
class Archive:
    """An archive in memory: ``sha256:…`` of its content, and the bytes of the zip."""

    digest: str
    data: bytes


def build(plugins: Iterable[str] = ()) -> Archive:
    """Build the archive.

    Args:
        plugins: Import names of the plugins whose run side it is to hold, such as ``framework_storage_file``.

    Raises:
        PluginError: A plugin is not installed, or has no run side.
    """
    contents = _contents(plugins)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return Archive(digest=_digest(contents), data=buffer.getvalue())


def unpacked(home: Path, plugins: Iterable[str] = ()) -> Path:
    """The folder with the archive's content, compiled for this Python; made when it is not there.

    Args:
        home: FRAMEWORK_HOME; the folder is ``cache/runner/<digest>`` in it.
        plugins: As of `build`.

    Raises:
        BackendError: It cannot be written.
        PluginError: As of `build`.
    """
    names = sorted(set(plugins))
    cache = home / "cache" / "runner"
    note = cache / f"sources-{_signature(names)}"
    try:
        known = cache / note.read_text("ascii")
        if (known / "__main__.py").is_file():
            return known
    except OSError:
        pass  # not noted yet
    contents = _contents(names)
    digest = _digest(contents).removeprefix("sha256:")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not (cache / digest).is_dir():
            _write(contents, cache, digest)
        _note(note, digest)
    except OSError as error:
        raise BackendError(
            f"the runner cannot be written to {str(cache)!r}: {error}",
            advice="Make room there, or set FRAMEWORK_HOME to a folder that can be written.",
        ) from error
    return cache / digest


def run_sides(submission: Mapping[str, Any]) -> list[str]:
    """The import names of the plugins whose run side a submission names: storage, wrappers, secrets, extensions."""
    storage = (submission.get("artifacts") or {}).get("storage") or {}
    entries = [storage, *(submission.get("wrappers") or ()), *(submission.get("secrets") or {}).values()]
    targets = [*(entry.get("target", "") for entry in entries), *(submission.get("extensions") or {}).values()]
    return sorted(
        {target.removeprefix(_MOUNTED).partition(".")[0] for target in targets if target.startswith(_MOUNTED)}
    )


def _sources(plugins: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """What goes where: the name in the archive of each file, or folder of files."""
    import framework_run

    package = Path(str(framework_run.__file__)).parent
    yield "framework_run", package
    yield "facade/framework", package / "facade" / "framework"
    for name in sorted(set(plugins)):
        yield f"framework_run/plugins/{name}", _run_side(name)


def _run_side(plugin: str) -> Path:
    from importlib.util import find_spec

    spec = find_spec(plugin)
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(f"the plugin {plugin!r} is not installed", advice=f"pip install {plugin.replace('_', '-')}")
    folder = Path(next(iter(spec.submodule_search_locations))) / "runside"
    if not folder.is_dir():
        raise PluginError(f"the plugin {plugin!r} has no run side", advice="A run side is its subpackage 'runside'.")
    return folder


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files below a folder: name in the archive, and entry. The facade has a place of its own."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}/{entry.name}"
            if entry.is_dir():
                if entry.name != "__pycache__" and name != "framework_run/facade":
                    yield from _files(Path(entry.path), name)
            elif not entry.name.startswith(".") and not entry.name.endswith((".pyc", ".typed")):
                yield name, entry


def _contents(plugins: Iterable[str]) -> dict[str, bytes]:
    """Every file of the archive, in order."""
    found = {"__main__.py": _MAIN}
    for prefix, folder in _sources(plugins):
        found.update({name: Path(entry.path).read_bytes() for name, entry in _files(folder, prefix)})
    return dict(sorted(found.items()))


def _digest(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def _signature(plugins: list[str]) -> str:
    """What tells by `stat` alone that no source has changed."""
    digest = hashlib.sha256(_MAIN)
    for prefix, folder in _sources(plugins):
        for name, entry in sorted(_files(folder, prefix), key=lambda file: file[0]):
            found = entry.stat()
            digest.update(f"{name}\0{found.st_mtime_ns}\0{found.st_size}\0{found.st_ino}\0".encode())
    return digest.hexdigest()[:32]


def _write(contents: dict[str, bytes], cache: Path, digest: str) -> None:
    """Write and compile aside, and rename: whoever finds the folder finds it whole."""
    with tempfile.TemporaryDirectory(prefix=".runner-", dir=cache) as aside:
        made = Path(aside) / digest
        for name, content in contents.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _compile(made, cache / digest)
        try:
            made.rename(cache / digest)
        except OSError:
            if not (cache / digest).is_dir():  # another process was quicker, and wrote the same
                raise


def _compile(folder: Path, final: Path) -> None:
    """Compile every module, never to be checked against its source again: the folder is named by its content."""
    import py_compile

    for path in sorted(folder.rglob("*.py")):
        py_compile.compile(
            str(path),
            dfile=str(final / path.relative_to(folder)),
            doraise=False,
            quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def _note(note: Path, digest: str) -> None:
    """Remember which digest these sources have, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=note.parent, prefix=".note-", delete=False) as file:
        file.write(digest)
    Path(file.name).replace(note)
