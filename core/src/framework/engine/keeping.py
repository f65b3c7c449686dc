"""A version of a function is kept when it is run: its document in the database, its code in the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.engine.plan import Planned
    from framework.engine.session import Session
    from framework.models import Function


def keep_function(session: Session, planned: Planned) -> None:
    """Keep a version in the database, and its code in the storage; nothing is written when it is there already.

    Code that another machine has kept in a folder of its own is kept here as well: it is what is run again from here.

    The version becomes the latest, but not where its code was stored before: who runs an old version again, or on
    another kind, has not written a new one.
    """
    from framework.documents.dump import dump

    function, loaded = planned.function, planned.loaded
    version = function.status.version
    kept = _kept(session, function, version if loaded.stored else None)
    if version == kept.get("version") and (loaded.stored or _is_code_here(session, kept)):
        return
    if function.spec.code.files:
        function.status.provenance["archive"] = session.storage.put(loaded.archive()).uri
    function.status.provenance.update(planned.capture.provenance(wait=not planned.request.inline))
    session.database.put_function(dump(function, {"spec": loaded.written}), latest=not loaded.stored)


def _kept(session: Session, function: Function, version: str | None = None) -> dict[str, Any]:
    """The status of the latest version of a function, or of a version itself; empty where it is not kept."""
    from framework.errors import NotFound

    metadata = function.metadata
    try:
        return dict(session.database.function(metadata.project, metadata.name, version=version)["status"])
    except NotFound:
        return {}


def _is_code_here(session: Session, kept: dict[str, Any]) -> bool:
    """Whether the code of a version is where this machine finds it again; of a storage elsewhere that is believed."""
    from framework.errors import StorageError

    place = kept.get("provenance", {}).get("archive")
    if not place:
        return True
    try:
        storage = session.storage_of(place)
        if not storage.remote:
            storage.stat(place)
    except StorageError:
        return False
    return True
