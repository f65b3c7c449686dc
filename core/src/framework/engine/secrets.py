"""Secrets while a run is planned: references are checked and sent; values that were given by mistake are taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from framework.errors import FrameworkError, UsageError
from framework.settings import store_table
from framework_run.secrets import placeholder

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.request import RunRequest
    from framework.engine.session import Session
    from framework.sources import Loaded
    from framework_run.masking import Masker

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE: Final = re.compile(r"([a-z][a-z0-9-]*):(.+)", re.DOTALL)
_LOCAL: Final = frozenset({"env", "file"})  # stores that answer at once
_PATIENCE: Final = 3.0  # seconds for those of plugins, all together
_MASKED: Final = ("params", "inputs", "command", "args", "returns", "artifact_path")


def references(session: Session, secrets: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The part ``secrets`` of a submission.

    Args:
        session: Whose plugins are asked for the stores.
        secrets: ``spec.environment.secrets``: variable to ``STORE:KEY``.

    Raises:
        UsageError: A variable or a reference is none.
        UnknownKind: There is no such store.
    """
    found: dict[str, dict[str, Any]] = {}
    for variable, reference in secrets.items():
        name, key = parsed(variable, reference)
        store, options = session.plugins.secret_store(name), store_table(name, session.home)
        found[variable] = {"store": name, "key": key, "target": store.mounted, "options": options}
    return found


def parsed(variable: str, reference: Any) -> tuple[str, str]:
    """The store and the key of a reference.

    Args:
        variable: The variable that is to have the value.
        reference: ``STORE:KEY``.

    Raises:
        UsageError: The variable or the reference is none; the text, which may be the value itself, is not repeated.
    """
    if not _VARIABLE.fullmatch(variable):
        raise UsageError(
            f"spec.environment.secrets: {variable!r} is no name of a variable",
            advice="Use letters, digits and '_', and no digit first.",
        )
    match = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    if match is None:
        raise UsageError(
            f"spec.environment.secrets.{variable} is no reference to a secret",
            advice=f"Write {variable}=STORE:KEY, such as {variable}=env:{variable} or {variable}=file:/path.",
        )
    return match[1], match[2]


class Guard:
    """Keeps the values of a run's secrets out of its documents, as far as they can be found out here.

    Args:
        values: The values by variable.
        secrets: ``spec.environment.secrets``.
    """

    def __init__(self, values: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        from framework_run.masking import SHORTEST, Masker

        self.masker: Masker = Masker(values.values())
        long_ones = [(variable, value) for variable, value in values.items() if len(value) >= SHORTEST]
        self._secrets = secrets
        self._values = dict(sorted(long_ones, key=lambda pair: -len(pair[1])))  # one may hold another

    def clear_function(self, loaded: Loaded) -> None:
        """Put placeholders in place of values: in the variables of its environment, its command, its arguments."""
        code, needs = loaded.function.spec.code, loaded.function.spec.environment
        code.command = self._taken_out(code.command)
        loaded.args = self._taken_out(loaded.args)
        needs.env = self.variables(needs.env)

    def clear_request(self, request: RunRequest) -> None:
        """Put placeholders in place of values in the parameters."""
        numbers = [name for name, value in request.params.items() if self._is_number(value)]
        request.params = self._taken_out(request.params)
        request.raw = sorted({*request.raw, *numbers})  # the text is read by the annotation, as from a command line

    def variables(self, env: dict[str, str]) -> dict[str, str]:
        """Variables of the environment, with placeholders in place of values; those of the secrets are left out."""
        return {name: self._taken_out(value) for name, value in env.items() if name not in self._values}

    def clear_address(self, notification: Any) -> Any:
        """A notification with references in place of values, and of placeholders: it is sent from another process."""
        if isinstance(notification, str):
            notification = {"to": notification}
        if not isinstance(notification, Mapping):
            return notification  # which is refused by whoever checks it
        to = self._taken_out(notification.get("to"))
        for variable, reference in self._secrets.items():
            to = to.replace(placeholder(variable), f"{{{reference}}}") if isinstance(to, str) else to
        return {**notification, "to": to}

    def document(self, run: Document) -> Document:
        """A run's document, masked: what the placeholders have not taken out."""
        spec, metadata, status = run["spec"], run["metadata"], run["status"]
        masked = {name: self.masker.data(spec[name], numbers=True) for name in _MASKED if name in spec}
        named = {name: self.masker.data(metadata[name]) for name in ("name", "labels") if name in metadata}
        facts = self.masker.data(status.get("environment", {}))
        return {
            **run,
            "metadata": {**metadata, **named},
            "spec": {**spec, **masked},
            "status": {**status, "environment": facts},
        }

    def mask(self, error: FrameworkError) -> None:
        """Mask the words of an error."""
        error.message, error.advice = self.masker.text(error.message), self.masker.text(error.advice)
        error.args = (error.message,)

    def _is_number(self, value: Any) -> bool:
        return isinstance(value, (int, float)) and self.masker.is_secret(value)

    def _taken_out(self, content: Any) -> Any:
        if isinstance(content, dict):
            return {key: self._taken_out(item) for key, item in content.items()}
        if isinstance(content, (list, tuple)):
            return [self._taken_out(item) for item in content]
        for variable, value in self._values.items():
            if self._is_number(content) and str(content) == value.strip():
                return placeholder(variable)
            if isinstance(content, str):
                content = content.replace(value, placeholder(variable))
        return content


def guard(session: Session, secrets: Mapping[str, str]) -> Guard | None:
    """What keeps the values of these secrets out of documents; None where there are no secrets.

    The stores are asked on this machine: where a run is elsewhere, its values may be others. A value that is not here,
    or does not come in time, is no error here: its run will say so, and refuse what was given the value by mistake.

    Args:
        session: As of `references`.
        secrets: Likewise.

    Raises:
        UsageError: As `references`.
    """
    if not secrets:
        return None
    known: dict[str, dict[str, Any]] = {}
    slow: dict[str, dict[str, Any]] = {}
    for variable, reference in references(session, secrets).items():
        (known if reference["store"] in _LOCAL else slow)[variable] = reference
    return Guard({**_values(known), **_in_time(slow)}, secrets)


def _in_time(references: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The values that stores of plugins give here soon."""
    if not references:
        return {}
    from threading import Thread

    values: dict[str, str] = {}
    asking = Thread(target=lambda: values.update(_values(references)), daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return dict(values)


def _values(references: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The values that are here."""
    from framework_run.errors import SecretError
    from framework_run.secrets import resolve

    values = {}
    for variable, reference in references.items():
        try:
            values.update(resolve({variable: reference}))
        except SecretError:
            continue
    return values
