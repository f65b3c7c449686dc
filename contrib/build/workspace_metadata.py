"""Lists the workspace's own distributions as dependencies of its root.

``pip install .`` from a bare checkout must bring ``framework-core`` and the batteries for local use without an index
that has them, so the root names them by direct reference to their folders (PEP 508 URLs), which only a build hook can
know. Documented at https://hatch.pypa.io/latest/plugins/metadata-hook/custom/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

BATTERIES = ("framework-runtime-local", "framework-db-sql", "framework-storage-file")


class CustomMetadataHook(MetadataHookInterface):
    """Fills ``dependencies`` and the extra ``all`` from the folders of the checkout."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the direct references to ``metadata`` in place."""
        root = Path(self.root)
        plugins = {folder.name: folder for folder in sorted((root / "plugins").iterdir()) if _is_distribution(folder)}
        core = f"framework-core @ {(root / 'core').as_uri()}"
        batteries = [f"{name} @ {plugins[name].as_uri()}" for name in BATTERIES if name in plugins]
        metadata["dependencies"] = [core, *batteries]
        metadata["optional-dependencies"] = {
            "all": [f"{name} @ {folder.as_uri()}" for name, folder in plugins.items()],
        }


def _is_distribution(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file()
