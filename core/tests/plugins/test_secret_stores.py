"""The stores of secrets that the core registers, and one that a plugin does."""

from __future__ import annotations

import pytest

from framework.engine.archive import run_sides
from framework.errors import PluginError, UnknownKind
from framework.plugins.manager import Plugins
from framework.testing.secrets import SecretStoreSuite

VAULT = """
from framework.plugins.registrations import SecretStore


@hookimpl
def framework_secret_stores():
    package = "framework_secrets_vault.runside"
    return [SecretStore(name="vault", target=f"{package}.store:Vault", runside=package)]
"""
STORE = """
from framework_run.errors import SecretError
from framework_run.secrets import Store


class Vault(Store):
    def get(self, key):
        if key != "app":
            raise SecretError(f"the vault has no {key!r}", advice="Put it there.")
        return "the value of a secret"
"""


class TestEnvironment(SecretStoreSuite):
    name = "env"
    value = "the value of a secret"
    missing = "NOT_THERE"

    @pytest.fixture
    def key(self, monkeypatch):
        monkeypatch.setenv("THERE", self.value)
        return "THERE"


class TestFile(SecretStoreSuite):
    name = "file"
    value = "the value of a secret"
    missing = "/not/there"

    @pytest.fixture
    def key(self, tmp_path):
        (tmp_path / "secrets").write_text(f"A=b\nKEY='{self.value}'\n")
        return f"{tmp_path}/secrets#KEY"


class TestPlugin(SecretStoreSuite):
    name = "vault"
    value = "the value of a secret"
    missing = "not-there"
    key = pytest.fixture(lambda self: "app")

    @pytest.fixture(autouse=True)
    def _installed(self, site):
        runside = site.install("secrets-vault", VAULT).parent / "runside"
        runside.mkdir()
        (runside / "__init__.py").write_text("")
        (runside / "store.py").write_text(STORE)


def test_the_cores_own_need_no_plugin_and_no_list_blocks_them(monkeypatch) -> None:
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "")
    assert {"env", "file"} <= set(Plugins().secret_stores())


def test_a_store_that_is_not_there_says_what_to_install() -> None:
    with pytest.raises(UnknownKind, match=r"Unknown secret store 'valut' \(installed: .*env, file.*\)") as raised:
        Plugins().secret_store("valut")
    assert raised.value.advice == "Try: pip install framework-secrets-valut"


def test_a_plugin_does_not_take_the_place_of_the_cores_own(site) -> None:
    site.install("secrets-env", VAULT.replace('"vault"', '"env"'))
    with pytest.raises(PluginError, match="several plugins"):
        Plugins().secret_store("env")


def test_a_store_is_made_with_its_table_of_the_configuration_file(site, tmp_path, monkeypatch) -> None:
    from framework.engine.secrets import references
    from framework.engine.session import Session

    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('[secrets.vault]\naddress = "https://vault"\n')
    site.install("secrets-vault", VAULT)
    found = references(Session(), {"TOKEN": "vault:app", "OTHER": "env:APP"})
    assert found["TOKEN"]["options"] == {"address": "https://vault"}
    assert found["OTHER"]["options"] == {}


def test_the_run_side_of_a_store_travels_with_the_run(site) -> None:
    site.install("secrets-vault", VAULT)
    store = Plugins().secret_store("vault")
    assert store.mounted == "framework_run.plugins.framework_secrets_vault.store:Vault"
    assert run_sides({"secrets": {"A": {"target": store.mounted}}}) == ["framework_secrets_vault"]
