"""Which versions the parts of a cluster have: what does not fit is told before a run is sent."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

from framework.errors import BackendError, FrameworkWarning
from framework_runtime_dask.provider import Place

# Dask's parts speak in pickles of their own classes, and promise that to each other only in one release:
# https://docs.dask.org/en/stable/deploying-python.html and the VersionMismatchWarning of `distributed`.
_OF_ONE_RELEASE: Final = ("distributed", "dask")
_NUMBERS: Final = 2  # of a version that make a release: the year and the month


def check_versions(client: Any, place: Place) -> None:
    """Refuse a scheduler or workers that cannot take what this process sends, and warn of what may differ.

    Args:
        client: Of the cluster.
        place: The cluster.

    Raises:
        BackendError: One has another Python, or Dask of another release, than this process.
    """
    found = client.get_versions(check=False)
    here = found["client"]
    nodes = {"the scheduler": found["scheduler"], **{f"the worker {name}": it for name, it in found["workers"].items()}}
    others: dict[str, str] = {}
    for name, facts in nodes.items():
        _check_python(f"{name} of {place.address}", facts or {})
        _check_release(f"{name} of {place.address}", (facts or {}).get("packages") or {}, here["packages"])
        others |= {package: f"{name} has {told}" for package, told in _others(facts or {}, here)}
    if others:
        text = "; ".join(f"{package}: {told}" for package, told in sorted(others.items()))
        about = f"versions differ between this process and {place.address}: {text}"
        warnings.warn(about, FrameworkWarning, stacklevel=2)


def _check_python(node: str, facts: Mapping[str, Any]) -> None:
    version = str((facts.get("host") or {}).get("python", ""))
    here = sys.version_info[:2]
    if version and tuple(map(int, version.split(".")[:2])) != here:
        raise BackendError(
            f"{node} runs Python {'.'.join(version.split('.')[:2])}, and this process {here[0]}.{here[1]}",
            advice="Use a Python of the same version here, or another image there.",
        )


def _check_release(node: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    for package in _OF_ONE_RELEASE:
        there, here = str(theirs.get(package) or ""), str(ours.get(package) or "")
        if there and here and there.split(".")[:_NUMBERS] != here.split(".")[:_NUMBERS]:
            raise BackendError(
                f"{node} has {package} {there}, and this process {here}: they are of different releases",
                advice=f"Install the same here (pip install {package}=={there}), or another image there.",
            )


def _others(facts: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The packages of which a node has another version; those that it or this process lacks are no matter."""
    for package, version in (facts.get("packages") or {}).items():
        ours = here["packages"].get(package)
        if package != "python" and version and ours and version != ours:
            yield package, f"{version}, this process {ours}"
