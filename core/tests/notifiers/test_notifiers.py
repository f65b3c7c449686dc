"""The notifiers that the core registers."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from framework.errors import NotificationError, UnknownKind
from framework.notifiers import Notice
from framework.notifiers.command import Command
from framework.notifiers.webhook import Webhook
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import Notifier
from framework.testing.notifiers import NotifierSuite

NOTICE = Notice(text="train failed", run={"metadata": {"uid": "0198"}, "spec": {}, "status": {"state": "failed"}})


def _program(path: Path, source: str) -> str:
    path.write_text(f"#!/bin/sh\n{source}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


class TestWebhook(NotifierSuite):
    name = "webhook"
    bad_addresses = ("", "no url", "ftp://host/x", "http://", "http://host:port/", "file:///etc/passwd", "http://[")

    @pytest.fixture
    def address(self, hooks):
        return hooks.url

    @pytest.fixture
    def received(self, hooks):
        return lambda: [body["text"] for body in hooks.bodies]

    @pytest.fixture
    def unreachable(self):
        return "http://127.0.0.1:1/key"


class TestCommand(NotifierSuite):
    name = "command"
    bad_addresses = ("", "no-such-program-anywhere", "'sh")

    @pytest.fixture
    def address(self, tmp_path):
        program = _program(tmp_path / "told", 'cat > "$1"')
        return f"{program} '{tmp_path}/it has'"

    @pytest.fixture
    def received(self, tmp_path):
        path = tmp_path / "it has"
        return lambda: [json.loads(path.read_text())["text"]] if path.exists() else []

    @pytest.fixture
    def unreachable(self, tmp_path):
        return f"{_program(tmp_path / 'fails', 'echo no such room >&2; exit 3')} key"


class TestConsole(NotifierSuite):
    name = "console"
    bad_addresses = ("somewhere",)
    address = pytest.fixture(lambda self: "")

    @pytest.fixture
    def received(self, capsys):
        def texts() -> list[str]:
            return capsys.readouterr().err.splitlines()

        return texts

    @pytest.fixture
    def unreachable(self):
        pytest.skip("the console is always there")


class TestPlugin(TestConsole):
    """One that is registered by a plugin."""

    name = "other"

    def _made(self, address):
        plugins = Plugins()

        class Other:
            @hookimpl
            def framework_notifiers(self):
                return [Notifier(name="other", target="framework.notifiers.console:Console")]

        plugins.register(Other())
        return plugins.notifier(self.name, address)


def test_a_webhook_gets_a_body_that_slack_understands(hooks) -> None:
    Webhook(hooks.url).notify(NOTICE)
    assert hooks.bodies[0]["text"] == "train failed"
    assert hooks.bodies[0]["run"]["uid"] == "0198"
    assert hooks.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_an_error_with_its_words(hooks, status) -> None:
    hooks.status = status
    with pytest.raises(NotificationError, match=f"^{hooks.host} answered {status} ") as raised:
        Webhook(hooks.url).notify(NOTICE)
    assert "k3y" not in raised.value.message


def test_a_webhook_that_hangs_is_given_up(hooks, monkeypatch) -> None:
    monkeypatch.setattr(Webhook, "patience", 0.2)
    hooks.hangs.set()
    with pytest.raises(NotificationError, match=r"has not answered within 0\.2 s"):
        Webhook(hooks.url).notify(NOTICE)


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Command, "patience", 0.5)
    program = _program(tmp_path / "hangs", "sleep 600 & sleep 600")
    with pytest.raises(NotificationError, match=r"has not ended after 0\.5 s"):
        Command(program).notify(NOTICE)


def test_a_command_that_fails_says_its_last_line(tmp_path) -> None:
    with pytest.raises(NotificationError, match=r"ended with exit code 3: no such room$"):
        Command(_program(tmp_path / "fails", "echo first >&2; echo no such room >&2; exit 3")).notify(NOTICE)


def test_a_command_need_not_read(tmp_path) -> None:
    notice = Notice(text="x" * 1_000_000, run=NOTICE.run)
    Command(_program(tmp_path / "deaf", "exit 0")).notify(notice)


def test_a_notifier_that_is_not_there_is_named(monkeypatch) -> None:
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "")
    with pytest.raises(UnknownKind, match=r"Unknown notifier 'wehbook' \(installed: command, console, webhook\)"):
        Plugins().notifier("wehbook", "")
