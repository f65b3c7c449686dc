"""The conformance suite of stores of secrets.

    from framework.testing.secrets import SecretStoreSuite

    class TestVault(SecretStoreSuite):
        name = "vault"

        @pytest.fixture
        def key(self, vault_server):
            vault_server.put("app", "the value of a secret")
            return "app"

        value = "the value of a secret"
        missing = "not-there"

The distribution that registers the store has to be installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from framework.engine.archive import run_sides, unpacked
from framework.plugins.manager import Plugins
from framework.plugins.registrations import SecretStore
from framework.plugins.targets import load_target

# As the runner does it, in an interpreter that sees nothing that is installed.
_RESOLVE = """
import json, sys
archive, references = sys.argv[1:]
sys.path.insert(0, archive)
from framework_run.errors import SecretError
from framework_run.secrets import resolve
try:
    said = {"values": resolve(json.loads(references))}
except SecretError as error:
    said = {"error": error.message, "advice": error.advice}
foreign = {"framework", "attr", "attrs", "cattrs", "click", "pluggy"} & set(sys.modules)
print(json.dumps({**said, "foreign": sorted(foreign)}))
"""


class SecretStoreSuite:
    """Everything that is asked of a store of secrets.

    Set ``name``, the store's; ``value``, the value of the secret that the fixture ``key`` names; and ``missing``, a key
    that it does not have.
    """

    name: ClassVar[str]
    value: ClassVar[str]
    missing: ClassVar[str]

    @pytest.fixture
    def key(self) -> str:
        """The key of a secret that is there."""
        raise NotImplementedError("override the fixture `key`")

    @pytest.fixture
    def store(self) -> SecretStore:
        """What is registered."""
        return Plugins().secret_store(self.name)

    def _ask(self, store: SecretStore, key: str, home: Path) -> dict[str, Any]:
        """Resolve a reference from a bare interpreter that has the archive and nothing else."""
        reference = {"store": self.name, "key": key, "target": store.mounted, "options": {}}
        archive = unpacked(home, run_sides({"secrets": {"TOKEN": reference}}))
        command = [sys.executable, "-I", "-S", "-c", _RESOLVE, str(archive), json.dumps({"TOKEN": reference})]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
        assert ended.returncode == 0, ended.stderr
        said: dict[str, Any] = json.loads(ended.stdout)
        assert said.pop("foreign") == [], "the run side knows no library of the planning side"
        return said

    def test_its_name_is_one_of_a_reference(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", self.name)

    def test_its_class_is_a_store(self, store: SecretStore) -> None:
        load_target(store.target, self.name, "framework_run.secrets:Store")

    def test_a_secret_is_resolved_where_the_run_is(self, store: SecretStore, key: str, tmp_path: Path) -> None:
        assert self._ask(store, key, tmp_path) == {"values": {"TOKEN": self.value}}

    def test_a_secret_that_is_not_there_is_named_with_advice(self, store: SecretStore, tmp_path: Path) -> None:
        said = self._ask(store, self.missing, tmp_path)
        assert f"TOKEN ({self.name}:{self.missing})" in said["error"]
        assert said["advice"]

    def test_an_error_holds_no_value(self, store: SecretStore, key: str, tmp_path: Path) -> None:
        assert self.value == self._ask(store, key, tmp_path)["values"]["TOKEN"]
        assert self.value not in str(self._ask(store, self.missing, tmp_path))
