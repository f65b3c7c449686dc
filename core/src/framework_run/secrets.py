"""Secrets on the run's side: references become values where the run is, and nowhere before.

A reference in a submission is ``{"store", "key", "target", "options"}``. Values are in the environment of the user's
code, and in whatever has a placeholder for them: ``{secret:VARIABLE}`` in a parameter, a variable of the environment or
a word of the command.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from framework_run.errors import RunSideError, SecretError

GIVEN: Final = "framework_run.secrets:Given"
_EQUAL: Final = 8  # characters of a value that is hardly given by chance
_WITHIN: Final = 16  # characters of one that hardly stands in a longer text by chance


class Store(ABC):
    """Where secrets are kept. A plugin's store is a subclass in its ``runside``.

    It is made with the options of the reference.
    """

    @abstractmethod
    def get(self, key: str) -> str:
        """The value of a secret.

        Args:
            key: What a reference says behind ``STORE:``.

        Raises:
            SecretError: There is none of this key, or the store cannot be reached; the message names no value.
        """


class EnvironmentStore(Store):
    """``env:NAME``: a variable of the environment that the runner was started in."""

    def get(self, key: str) -> str:
        """The variable's value."""
        try:
            return os.environ[key]
        except KeyError:
            raise SecretError(f"the variable {key} is not set", advice=f"Set {key} where the run runs.") from None


class FileStore(Store):
    """``file:/path``: the content of a file, without the newline at its end; ``file:/path#KEY``: a line ``KEY=value``.

    Values in quotes are taken out of them; ``export`` before the key and lines that begin with ``#`` are passed over.
    """

    def get(self, key: str) -> str:
        """The file's content, or the value of one of its lines."""
        path, _, name = key.partition("#")
        try:
            with open(os.path.expanduser(path), encoding="utf-8") as stream:  # noqa: PTH111, PTH123  pathlib is slow
                content = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise SecretError(f"{path!r} cannot be read: {reason}", advice="Check it where the run runs.") from None
        if not name:
            return content.removesuffix("\n").removesuffix("\r")
        values = variables_of(content)
        if name not in values:
            raise SecretError(f"{path!r} has no line {name}=…", advice=f"Add one, or name another key behind {path}#.")
        return values[name]


class Given(EnvironmentStore):
    """The backend has put the variable into the runner's environment itself: it is only masked."""


def variables_of(text: str) -> dict[str, str]:
    """The variables of a dotenv text."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[name.strip()] = value[1:-1] if quoted else value
    return found


def resolve(references: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The values by variable.

    Args:
        references: ``submission["secrets"]``.

    Raises:
        SecretError: One is not there, or is empty; the message names the variable and the reference.
    """
    return {variable: _value(variable, reference) for variable, reference in references.items()}


def _value(variable: str, reference: Mapping[str, Any]) -> str:
    from framework_run.targets import resolve as imported

    name = f"the secret {variable} ({reference['store']}:{reference['key']})"
    try:
        store: Store = imported(reference["target"])(**reference.get("options") or {})
        value = store.get(variable if reference["target"] == GIVEN else reference["key"])
    except RunSideError as error:
        raise SecretError(f"{name} is not there: {error.message}", advice=error.advice) from None
    except Exception as error:  # noqa: BLE001  a plugin's store; its words may hold what it has read
        where = f"the store {reference['store']} failed with {type(error).__name__}"
        raise SecretError(f"{name} is not there: {where}", advice="Check the store, where the run runs.") from None
    if not isinstance(value, str) or not value or "\0" in value:
        what = "is empty" if value == "" else "is no text that a variable can hold"
        raise SecretError(f"{name} {what}", advice="Give it a value, where the run runs.")
    return value


def filled(content: Any, values: Mapping[str, str]) -> Any:
    """A JSON value with every placeholder in it replaced.

    Args:
        content: The value; it is not changed.
        values: Values by variable.
    """
    if isinstance(content, str):
        if "{secret:" not in content:
            return content
        import re

        return re.sub(r"\{secret:(\w+)\}", lambda found: values.get(found[1], found[0]), content)
    if isinstance(content, dict):
        return {key: filled(item, values) for key, item in content.items()}
    return [filled(item, values) for item in content] if isinstance(content, list) else content


def opened(submission: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The submission as the handler gets it: values in the environment, and in place of placeholders.

    Parameters keep theirs until they are bound (`framework_run.calling.params_of`): on their way they may be in a file.

    Args:
        submission: The whole submission; it is not changed.
        values: Values by variable.

    Raises:
        SecretError: As of `refuse_exposed`.
    """
    refuse_exposed(submission, values)
    code = submission["code"]
    return {
        **submission,
        "code": {**code, "command": filled(code.get("command"), values)},
        "env": {**filled(submission.get("env") or {}, values), **values},
    }


def refuse_exposed(submission: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """Refuse what was given the value of a secret by mistake, which nobody could know before: it has been recorded.

    Args:
        submission: The whole submission, or a part of it: params, env, code.
        values: Values by variable; those that a text may hold by chance are passed over.

    Raises:
        SecretError: A parameter, a variable or the command holds one.
    """
    given = {
        **{f"the parameter {name!r}": content for name, content in (submission.get("params") or {}).items()},
        **{f"the variable {name}": content for name, content in (submission.get("env") or {}).items()},
        "the command": (submission.get("code") or {}).get("command"),
    }
    for what, content in given.items():
        for variable, value in values.items():
            if _holds(content, value):
                raise SecretError(
                    f"{what} holds the value of the secret {variable}, which so was recorded",
                    advice=f"Write {placeholder(variable)} there. Delete this run, and change the secret.",
                )


def _holds(content: Any, value: str) -> bool:
    """Whether a JSON value holds a secret's, and hardly by chance."""
    if isinstance(content, dict):
        return any(_holds(item, value) for item in content.values())
    if isinstance(content, list):
        return any(_holds(item, value) for item in content)
    text = str(content)
    return (len(value) >= _EQUAL and text == value) or (len(value) >= _WITHIN and value in text)


@contextmanager
def in_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have the values in this process's environment while a run is inline, and what was there before afterwards."""
    before = {variable: os.environ.get(variable) for variable in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


def placeholder(variable: str) -> str:
    """What stands for a secret's value in documents."""
    return f"{{secret:{variable}}}"
