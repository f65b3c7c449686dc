"""Commands that plugins register."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from framework.errors import PluginError
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import Command


class Hello:
    @hookimpl
    def framework_commands(self):
        return [Command(name="hello", help="Say hello.", target=f"{__name__}:missing")]


@pytest.fixture
def plugins():
    plugins = Plugins(allowed=[])
    plugins.register(Hello(), "hello")
    return plugins


def test_a_command_is_found_by_its_name_and_imported_when_it_is_used(plugins):
    assert plugins.command("other") is None
    (row,) = [row for row in plugins.report() if row.name == "hello"]
    assert row.registers == ["command hello"]
    with pytest.raises(PluginError, match="hello"):
        plugins.command("hello")


def test_a_name_of_two_plugins_is_neithers(plugins):
    plugins.register(Hello(), "again")
    with pytest.raises(PluginError, match="several plugins"):
        plugins.command("hello")


PLUGIN = """
import click

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import Command


@hookimpl
def framework_commands():
    return [Command(name="hello", help="Say hello.", target="framework_hello.commands:hello")]
"""
COMMANDS = """
import click

from framework.errors import UsageError


@click.group()
def hello():
    \"\"\"Say hello.\"\"\"


@hello.command()
@click.argument("whom")
def to(whom):
    if whom == "nobody":
        raise UsageError("nobody is there", advice="Name somebody.")
    click.echo(f"hello, {whom}")
"""


@pytest.fixture
def framework(tmp_path):
    package = tmp_path / "site" / "framework_hello"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(PLUGIN.replace("import click\n\n", ""))
    (package / "commands.py").write_text(COMMANDS)
    about = tmp_path / "site" / "framework_hello-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: framework-hello\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[framework]\nhello = framework_hello.plugin\n")

    def call(*words):
        return subprocess.run(
            [sys.executable, "-m", "framework", *words],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "FRAMEWORK_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def test_a_command_of_a_plugin_is_typed_as_any_other(framework):
    assert framework("hello", "to", "you").stdout == "hello, you\n"
    refused = framework("hello", "to", "nobody")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: nobody is there")
    assert "Say hello." in framework("hello", "--help").stdout


def test_an_unknown_command_is_as_before(framework):
    ended = framework("hallo")
    assert ended.returncode == 2
    assert "No such command" in ended.stderr
