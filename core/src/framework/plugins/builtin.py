"""What the core itself registers, by the same hooks as every plugin; no list of plugins leaves it out."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import Notifier, SecretStore


@hookimpl
def framework_secret_stores() -> list[SecretStore]:
    """The environment, and files."""
    return [
        SecretStore(name="env", target="framework_run.secrets:EnvironmentStore"),
        SecretStore(name="file", target="framework_run.secrets:FileStore"),
    ]


@hookimpl
def framework_notifiers() -> list[Notifier]:
    """The console, webhooks, and commands."""
    return [
        Notifier(name="console", target="framework.notifiers.console:Console"),
        Notifier(name="webhook", target="framework.notifiers.webhook:Webhook"),
        Notifier(name="command", target="framework.notifiers.command:Command"),
    ]
