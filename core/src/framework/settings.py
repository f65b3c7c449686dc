"""Settings: the environment wins over ``FRAMEWORK_HOME/config.toml``, which wins over the defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from attrs import define, fields

from framework.errors import BackendError, UsageError
from framework.home import default_database, default_storage, home


@define(kw_only=True)
class Settings:
    """What an installation is set to."""

    db: str = ""  # URL of the database
    storage: str = ""  # URL of the storage where artifacts go
    project: str = "default"  # the project of what names none


def load() -> Settings:
    """The settings of this process.

    Raises:
        UsageError: The configuration file cannot be read.
    """
    return Settings(**{name: value for name, value, _ in explain()})


def explain() -> list[tuple[str, str, str]]:
    """Every setting: name, value, and where the value comes from."""
    base = home()
    path = base / "config.toml"
    written = _read(path)
    defaults = {"db": default_database(base), "storage": default_storage(base), "project": "default"}
    rows = []
    for name in names():
        variable = f"FRAMEWORK_{name.upper()}"
        if os.environ.get(variable):
            rows.append((name, os.environ[variable], variable))
        elif name in written:
            rows.append((name, str(written[name]), str(path)))
        else:
            rows.append((name, defaults[name], "default"))
    return rows


def names() -> list[str]:
    """The names of all settings."""
    return [field.name for field in fields(Settings)]


def name_of(key: str) -> str:
    """The name of a setting as it was typed.

    Raises:
        UsageError: There is no such setting; the nearest is named.
    """
    if key in names():
        return key
    import difflib

    close = difflib.get_close_matches(key, names(), 1)
    advice = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(names())}."
    raise UsageError(f"there is no setting {key!r}", advice=advice)


def write(key: str, value: str) -> Path:
    """Write one setting to the configuration file, whole or not at all.

    Returns:
        The file.
    """
    import tempfile

    import tomli_w

    path = home() / "config.toml"
    content = {**_read(path), name_of(key): value}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, delete=False) as stream:
            tomli_w.dump(content, stream)
        Path(stream.name).replace(path)
    except OSError as error:
        raise BackendError(
            f"{str(path)!r} cannot be written: {error.strerror}", advice="Set FRAMEWORK_HOME to a folder that is writable."
        ) from None
    return path


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error}", advice="Mend the file, or remove it.") from None
    for key in content:
        name_of(key)
    return content
