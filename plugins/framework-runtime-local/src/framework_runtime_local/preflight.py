"""What a local run needs of this machine, and whether it is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from framework import interpreters
from framework.errors import BackendError
from framework.models import Function
from framework.runtimes import Finding
from framework_run import environments
from framework_run.errors import SecretError
from framework_run.secrets import EnvironmentStore, FileStore, Store


def findings(home: Path, function: Function | None) -> list[Finding]:
    """One line for each thing.

    Args:
        home: FRAMEWORK_HOME.
        function: What is to be run; None for what every run needs.
    """
    found = [_python(function), _home(home), _installer()]
    for volume in function.spec.storage.volumes if function else []:
        there = Path(volume.mount).exists()
        found.append(
            Finding(
                subject=f"volume {volume.name}",
                ok=there,
                message=f"{volume.mount} {'is' if there else 'is not'} on this machine",
                advice="" if there else "Volumes are not mounted here: make the path, or a link to the data.",
            )
        )
    secrets = function.spec.environment.secrets if function else {}
    return [*found, *(_secret(variable, reference) for variable, reference in secrets.items())]


def _secret(variable: str, reference: str) -> Finding:
    """Whether a secret of the environment or of a file is here; another store is not asked before there is a run."""
    name, _, key = reference.partition(":")
    stores: dict[str, type[Store]] = {"env": EnvironmentStore, "file": FileStore}
    if name not in stores:
        return Finding(subject=f"secret {variable}", ok=True, message=f"{reference} is looked up when it runs")
    try:
        stores[name]().get(key)
    except SecretError as error:
        return Finding(subject=f"secret {variable}", ok=False, message=error.message, advice=error.advice)
    return Finding(subject=f"secret {variable}", ok=True, message=f"{reference} is there")


def _python(function: Function | None) -> Finding:
    try:
        python = interpreters.find(function.spec.environment.python if function else "")
    except BackendError as error:
        return Finding(subject="python", ok=False, message=error.message, advice=error.advice)
    if not hasattr(os, "fork"):
        message, advice = f"{sys.platform} cannot fork", "Run functions inline."
        return Finding(subject="python", ok=False, message=message, advice=advice)
    return Finding(subject="python", ok=True, message=python)


def _home(home: Path) -> Finding:
    place = next(path for path in (home, *home.parents) if path.exists())
    if os.access(place, os.W_OK | os.X_OK):
        return Finding(subject="home", ok=True, message=str(home))
    return Finding(
        subject="home",
        ok=False,
        message=f"{home} cannot be written",
        advice="Set FRAMEWORK_HOME to a folder that can be written.",
    )


def _installer() -> Finding:
    uv = environments.installer(sys.executable)
    if uv:
        return Finding(subject="requirements", ok=True, message=f"installed with {' '.join(uv)}")
    from importlib.util import find_spec

    if find_spec("ensurepip"):
        return Finding(subject="requirements", ok=True, message="installed with pip (uv is faster)")
    return Finding(
        subject="requirements",
        ok=False,
        message="neither uv nor pip can make an environment",
        advice="Install uv, or the system's package python3-venv.",
    )
