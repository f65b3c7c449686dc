"""What is kept of code and artifacts, fetched again."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.errors import SourceError
from framework.home import cache_dir
from framework.models import Function

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.sources import Loaded


def load_stored(session: Session, target: str) -> Loaded:
    """The function that a ``db://`` URI names, with its code unpacked from the storage.

    Raises:
        NotFound: There is no such version.
        SourceError: Its code is not kept.
    """
    from framework.documents.converters import load
    from framework.sources import Loaded
    from framework.uris import FunctionUri

    uri = FunctionUri.parse(target)
    kept = session.database.function(uri.project, uri.name, tag=uri.tag or "latest", version=uri.digest or None)
    function = load(kept, Function)
    if not function.spec.code.files:
        return Loaded(function=function, written=kept.get("spec", {}), stored=True)
    place = function.status.provenance.get("archive")
    if not place:
        raise SourceError(f"the code of {target} is not kept", advice="Run it from its file once.")
    folder = cache_dir(session.home, "code") / function.status.version.replace(":", "-")
    if not folder.is_dir():
        _unpack(session, place, folder)
    return Loaded(function=function, root=folder, written=kept.get("spec", {}), stored=True)


def _unpack(session: Session, uri: str, folder: Path) -> None:
    import tempfile
    import zipfile

    with session.storage_of(uri).open(uri) as stream:
        content = io.BytesIO(stream.read())
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent))
    with zipfile.ZipFile(content) as archive:
        archive.extractall(partial)  # zipfile drops absolute names and ".." itself
    try:
        partial.rename(folder)
    except OSError:  # somebody else was first
        shutil.rmtree(partial)


def fetch_artifact(session: Session, text: str) -> Path:
    """The content of an artifact on this machine, in a cache by digest.

    Raises:
        NotFound: There is no such artifact.
    """
    spec = _artifact(session, text)
    folder = cache_dir(session.home, "inputs") / spec["digest"].replace(":", "-")
    path: Path = folder / (spec.get("name") or "content")
    if not path.exists():
        session.storage_of(spec["uri"]).get(spec["uri"], path)
    return path


def link_artifact(session: Session, text: str) -> dict[str, str]:
    """How a run elsewhere fetches an artifact: url, digest, name; empty where its storage cannot be reached from there.

    Raises:
        NotFound: There is no such artifact.
    """
    spec = _artifact(session, text)
    storage = session.storage_of(spec["uri"])
    url = storage.link(spec["uri"]) if storage.remote else ""
    return {"url": url, "digest": spec["digest"], "name": spec.get("name", "")} if url else {}


def _artifact(session: Session, text: str) -> dict[str, Any]:
    from framework.uris import ArtifactUri

    uri = ArtifactUri.parse(text)
    kept = session.database.artifact(uri.project, uri.key, tag=uri.tag or "latest", digest=uri.digest or None)
    found: dict[str, Any] = kept["spec"]
    return found
