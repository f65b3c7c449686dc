"""The conformance suite of runtimes.

    from framework.testing.runtimes import RuntimeSuite

    class TestSsh(RuntimeSuite):
        kind = "ssh"

What a kind does not claim among its capabilities is skipped by name. How runs end is never skipped.
"""

from __future__ import annotations

from framework.testing.runtime_attempts import AttemptsSuite
from framework.testing.runtime_deaths import DeathsSuite
from framework.testing.runtime_ends import EndsSuite
from framework.testing.runtime_following import FollowingSuite
from framework.testing.runtime_maps import MapsSuite
from framework.testing.runtime_records import RecordsSuite
from framework.testing.runtime_secrets import SecretsSuite

__all__ = ["RuntimeSuite"]


class RuntimeSuite(EndsSuite, RecordsSuite, SecretsSuite, FollowingSuite, DeathsSuite, AttemptsSuite, MapsSuite):
    """All that a runtime promises: ends, records, secrets, following, deaths, attempts, maps, the engine in front.

    Set ``kind``, and ``keeps_environments = False`` where a run finds nothing of what was installed for the one before.
    Override the fixture ``runtime`` where the registered one needs more than a home, and
    ``pid_of_handler``, ``pid_of_supervisor``, ``kill_handler``, ``kill_supervisor`` where they are not processes of
    this machine.
    """
