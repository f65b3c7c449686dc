"""The context of the run that some code belongs to, wherever that code runs."""

from __future__ import annotations

from framework_run import slot
from framework_run.context import Context


def current() -> Context | None:
    """The context of the run that this code belongs to; None outside of one.

    In a script that a run started it is made at the first call, from the channel in the environment.
    """
    found = slot.current()
    if found is not None or slot.active():
        return found
    from framework_run.scripts import context_from_environment

    made = context_from_environment()
    if made is not None:
        slot.set_process(made)
    return made


def get() -> Context:
    """The context of the run that this code is in; outside of a run, one that keeps nothing."""
    return current() or Context({}, None)
