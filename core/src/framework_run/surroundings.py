"""What surrounds a run: Python, platform, installed packages, accelerators; read from files, within milliseconds.

A package is a line ``name==version``, with `` @ URL`` behind it where it came from elsewhere than an index.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from typing import Any

_NVIDIA = "/proc/driver/nvidia/gpus"
_DEVICES = {"nvidia": "NVIDIA GPU", "accel": "accelerator"}  # beginnings of names in /dev, with a number behind them


def facts(paths: Iterable[str], known: str = "") -> dict[str, Any]:
    """The facts of this side of a run.

    Args:
        paths: The folders that packages are imported from.
        known: The digest of a list of packages that need not be said again.

    Returns:
        python, platform, machine, packages (the digest of their list), accelerators where there are some, and, where
        the digest is not the known one, ``package_list``.
    """
    found = packages(paths)
    digest = digest_of(found)
    return {
        **system(),
        "packages": digest,
        **({} if digest == known else {"package_list": found}),
    }


def system() -> dict[str, Any]:
    """What does not depend on the packages: python, platform, machine, accelerators where there are some."""
    present = accelerators()
    return {
        "python": sys.version.split(maxsplit=1)[0],
        "platform": sys.platform,
        "machine": os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", ""),
        **({"accelerators": present} if present else {}),
    }


def packages(paths: Iterable[str]) -> list[str]:
    """The distributions that are installed in some folders, sorted; of one that is there twice the first counts."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        try:
            entries = os.listdir(path or ".")  # noqa: PTH208  pathlib is slow to import on the run side
        except OSError:
            continue  # a zip, or not there
        for entry in sorted(entries):
            if entry.endswith((".dist-info", ".egg-info")):
                name, line = _package(path, entry)
                found.setdefault(name, line)
    return [found[name] for name in sorted(found)]


def digest_of(found: list[str]) -> str:
    """``sha256:…`` of a list of packages, as its text has it."""
    return f"sha256:{hashlib.sha256(text_of(found)).hexdigest()}"


def text_of(found: list[str]) -> bytes:
    """A list of packages as it is kept: a line each."""
    return "".join(f"{line}\n" for line in found).encode("utf-8", "surrogateescape")


def accelerators() -> list[str]:
    """The models of the graphics processors and other accelerators that this system shows, one entry each."""
    models = []
    for name in _listed(_NVIDIA):
        about = _read(f"{_NVIDIA}/{name}/information")
        lines = dict(line.partition(":")[::2] for line in about.splitlines())
        models.append(lines.get("Model", "NVIDIA GPU").strip())
    devices = _listed("/dev")
    if not models:
        for start, model in _DEVICES.items():
            models += [model for name in devices if name.startswith(start) and name[len(start) :].isdigit()]
    return models + (["AMD GPU"] if "kfd" in devices else [])


def _package(path: str, entry: str) -> tuple[str, str]:
    """Name, normalised by PEP 503, and line of a package, from the name of its folder (PEP 427) and PEP 610's file."""
    stem = entry.rpartition(".")[0]
    name, _, version = stem.partition("-")
    name = name.replace("_", "-").replace(".", "-").lower()
    line = f"{name}=={version.partition('-py')[0] or 'unknown'}"
    origin = _read(os.path.join(path, entry, "direct_url.json"))  # noqa: PTH118  pathlib is slow to import
    return name, f"{line} @ {_origin(origin)}" if origin else line


def _origin(text: str) -> str:
    import json

    try:
        origin = json.loads(text)
        url = str(origin["url"])
        source = origin.get("vcs_info")
        return f"{source['vcs']}+{url}@{source['commit_id']}" if source else url
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  pathlib is slow to import
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123  likewise
            return stream.read()
    except OSError:
        return ""
