"""What travels to the workers: the run side and the code, once a worker, named by their hash."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from framework_runtime_dask import memory, nearby, reports, runners, seed, stopping, taps

if TYPE_CHECKING:
    from framework.runtimes import Submission

_PLUGINS: Final = "framework_run.plugins."
_OWN: Final = "framework_runtime_dask"

_IN_WORKERS: Final = (memory, nearby, reports, runners, seed, stopping, taps)
for _module in _IN_WORKERS:
    cloudpickle.register_pickle_by_value(_module)


def bundle(submission: Submission) -> seed.Bundle:
    """The bundle of a submission's run side and code."""
    document = submission.document
    digest, runner = _runner(tuple(_plugins(document, submission.storage or {})))
    code = _code(submission)
    name = hashlib.sha256(f"{digest} {hashlib.sha256(code).hexdigest()} {_seed()}".encode()).hexdigest()
    return seed.Bundle(f"framework-{name[:24]}", runner, code)


def without_code(document: dict[str, Any]) -> dict[str, Any]:
    """A submission whose code is the bundle's; an empty archive says so."""
    return {**document, "code": {**document["code"], "folder": None, "archive": ""}}


@cache
def _runner(plugins: tuple[str, ...]) -> tuple[str, bytes]:
    from framework.engine.archive import build

    built = build(plugins)
    return built.digest, built.data


@cache
def _seed() -> str:
    """The hash of what runs in the workers' processes."""
    return hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in _IN_WORKERS)).hexdigest()


def _code(submission: Submission) -> bytes:
    """The user's code as a zip, the same bytes for the same content."""
    import base64

    given = submission.document["code"].get("archive")
    if given:
        return base64.b64decode(given)
    if submission.archive is not None and submission.function.spec.code.files:
        return submission.archive()
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    return empty.getvalue()


def _plugins(document: dict[str, Any], storage_here: dict[str, Any]) -> list[str]:
    """The import names of the plugins whose run side a submission names, and our own."""
    storage = ((document.get("artifacts") or {}).get("storage") or {}).get("target", "")
    wrappers = [wrapper.get("target", "") for wrapper in document.get("wrappers") or []]
    targets = [target for target in (storage, storage_here.get("target", ""), *wrappers) if target.startswith(_PLUGINS)]
    return sorted({_OWN, *(target.removeprefix(_PLUGINS).partition(".")[0] for target in targets)})
