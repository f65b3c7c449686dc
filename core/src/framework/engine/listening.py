"""Who is told of the events of a run as they are recorded."""

from __future__ import annotations

from collections.abc import Callable

from framework_run.events import Event

OnEvent = Callable[[Event], None]
