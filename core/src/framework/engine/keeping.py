"""A version of a function is kept when it is run: its document in the database, its code in the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.engine.plan import Planned
    from framework.engine.session import Session
    from framework.models import Function


def keep_function(session: Session, planned: Planned) -> None:
    """Keep a version in the database, and its code in the storage; nothing is written when it is there already.

    The version becomes the latest, but not where its code was stored before: who runs an old version again, or on
    another kind, has not written a new one.
    """
    from framework.documents.dump import dump

    function, loaded = planned.function, planned.loaded
    version = function.status.version
    if version == _version(session, function, version if loaded.stored else None):
        return
    if function.spec.code.files:
        function.status.provenance["archive"] = session.storage.put(loaded.archive()).uri
    function.status.provenance.update(planned.capture.provenance(wait=not planned.request.inline))
    session.database.put_function(dump(function, {"spec": loaded.written}), latest=not loaded.stored)


def _version(session: Session, function: Function, version: str | None = None) -> str:
    """The latest version of a function, or a version itself; empty where it is not kept."""
    from framework.errors import NotFound

    metadata = function.metadata
    try:
        return str(session.database.function(metadata.project, metadata.name, version=version)["status"]["version"])
    except NotFound:
        return ""
