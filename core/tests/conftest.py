"""How examples are generated for all of these tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A generated example may take long on a machine with much to do: how long, no test is about.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
