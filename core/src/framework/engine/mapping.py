"""Maps: many runs of one function, started and watched as one (docs/architecture.md, "Maps")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.databases import Document
from framework.engine.notifications import tell

if TYPE_CHECKING:
    from framework.engine.listening import OnEvent
    from framework.engine.map_plan import PlannedMap
    from framework.engine.session import Session


def execute_map(
    session: Session, planned: PlannedMap, *, watch: bool = True, on_event: OnEvent | None = None
) -> Document:
    """Start a map, and unless told otherwise follow it to its end.

    Args:
        session: Where it is recorded.
        planned: What is run.
        watch: Whether to wait for the end.
        on_event: Is told of each event, of the map's run and of its items', after it has been recorded.

    Returns:
        The document of the run that maps: the ended run's when it was watched.

    Raises:
        BackendError: It was not started; nothing is recorded.
    """
    from framework.engine.keeping import keep_function

    kind = planned.base.function.kind
    keep_function(session, planned.base)
    planned.run["status"]["environment"] = planned.base.capture.settle()
    planned.base.capture.keep(session.database)
    session.database.put_content(planned.listing)
    if "map" not in session.plugins.runtimes()[kind].item.capabilities:
        from framework.engine import map_apart
        from framework.engine.map_here import MapHere, Work

        work = Work.of(planned)
        return tell(session, MapHere(session, work, on_event).run()) if watch else map_apart.start(session, work)
    from framework.engine.map_there import MapFollower, start

    planned.base.submission.detached = not watch
    handle = start(session, planned)
    if handle is None or not watch:
        return session.database.run(planned.uid)
    return tell(session, MapFollower(session, session.runtime(kind), planned.run, handle, on_event).follow())
