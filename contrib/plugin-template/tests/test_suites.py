from __future__ import annotations

from pathlib import Path

import pytest
from framework_storage_template.storage import TemplateStorage

from framework.testing.plugins import PluginSuite
from framework.testing.storages import StorageSuite


class TestPlugin(PluginSuite):
    plugin = "storage-template"


class TestStorage(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> TemplateStorage:
        return TemplateStorage(f"template://{tmp_path}/root")

    @pytest.fixture
    def small_storage(self, small_disk: Path) -> TemplateStorage:
        return TemplateStorage(f"template://{small_disk}/root")

    def damage(self, storage: TemplateStorage, uri: str) -> None:
        root, _, digest = uri.removeprefix("template://").partition("#sha256:")
        path = Path(root) / digest
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
