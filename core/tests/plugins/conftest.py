"""Distributions made in a folder and put on the path, as an installer would leave them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from textwrap import dedent

import pytest


class Site:
    """A site-packages folder of its own.

    `install` writes what a wheel would: a package, and its metadata beside it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: list[str] = []

    def install(
        self,
        name: str,
        source: str = "",
        *,
        version: str = "0.1.0",
        requires: str = "framework-core>=0.1,<0.2",
        entry: str | None = None,
        folder: Path | None = None,
    ) -> Path:
        """Install framework-NAME with the module ``plugin``, whose source is given; returns that module's file."""
        package = f"framework_{name.replace('-', '_')}"
        root = folder or self.folder
        module = root / package / "plugin.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        (module.parent / "__init__.py").write_text("")
        module.write_text(
            "from framework.plugins.hookspecs import hookimpl\n"
            "from framework.plugins.registrations import DatabaseScheme, RuntimeKind, StorageScheme\n" + dedent(source)
        )
        about = root / f"{package}-{version}.dist-info"
        about.mkdir()
        lines = ["Metadata-Version: 2.3", f"Name: framework-{name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requires}"] if requires else []
        (about / "METADATA").write_text(
            "\n".join([*lines, "", "Requires-Dist: framework-core>99 in a description", ""])
        )
        points = f"[console_scripts]\nx = y:z\n\n[framework]\n{name} = {entry or f'{package}.plugin'}\n"
        (about / "entry_points.txt").write_text(points)
        self.packages.append(package)
        importlib.invalidate_caches()
        return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A site-packages folder on the path, empty; what is imported from it is forgotten afterwards."""
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    monkeypatch.syspath_prepend(str(site.folder))
    yield site
    for module in [name for name in sys.modules if name.split(".")[0] in site.packages]:
        del sys.modules[module]


@pytest.fixture(autouse=True)
def no_list_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMEWORK_PLUGINS", raising=False)
