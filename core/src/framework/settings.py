"""Settings, by precedence: the command line, the environment, ``FRAMEWORK_HOME/config.toml``, the default."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, fields

from framework.errors import UsageError
from framework.home import config_file, default_database, default_storage, home, make, not_writable

FLAG = "command line"
DEFAULT = "default"
_TABLES = {"runtime": "KIND", "secrets": "STORE"}  # of the configuration file, and what each has a table for
_URLS = ("db", "storage")
_REGISTRY = re.compile(r"[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")  # the scheme by RFC 3986, section 3.1


@define(kw_only=True)
class Settings:
    """What an installation is set to."""

    db: str = ""  # URL of the database
    storage: str = ""  # URL of the storage where artifacts go
    project: str = "default"  # the project of what names none
    registry: str = ""  # HOST/PATH of the registry where images go that are built here


def load(flags: Mapping[str, str | None] | None = None) -> Settings:
    """The settings of this process.

    Args:
        flags: What a command line says, by setting; None for what it does not say.

    Raises:
        UsageError: The configuration file cannot be read, or a value is not what its setting takes.
    """
    return Settings(**{name: value for name, value, _ in explain(flags)})


def explain(flags: Mapping[str, str | None] | None = None) -> list[tuple[str, str, str]]:
    """Every setting: name, value, and where the value comes from.

    The origin is ``command line``, the name of a variable, the path of the configuration file, or ``default``.
    """
    base = home()
    path = config_file(base)
    written = _read(path)
    rows = []
    for name in names():
        variable = variable_of(name)
        if flags and flags.get(name):
            value, origin = str(flags[name]), FLAG
        elif os.environ.get(variable):
            value, origin = os.environ[variable], variable
        elif name in written:
            value, origin = written[name], str(path)
        else:
            value, origin = _default(name, base), DEFAULT
        if value or origin != DEFAULT:
            _check(name, value, origin)
        rows.append((name, value, origin))
    return rows


def runtime_table(kind: str, base: Path | None = None) -> dict[str, Any]:
    """What the configuration file says of a kind of runtime: its table ``[runtime.KIND]``; empty where there is none.

    Args:
        kind: The kind.
        base: FRAMEWORK_HOME; this process's unless told.

    Raises:
        UsageError: The configuration file cannot be read.
    """
    return _table("runtime", kind, base)


def store_table(store: str, base: Path | None = None) -> dict[str, Any]:
    """What the configuration file says of a store of secrets, ``[secrets.STORE]``; as `runtime_table`."""
    return _table("secrets", store, base)


def _table(group: str, name: str, base: Path | None) -> dict[str, Any]:
    tables: dict[str, dict[str, Any]] = _read(config_file(base or home())).get(group, {})
    return tables.get(name, {})


def names() -> list[str]:
    """The names of all settings."""
    return [field.name for field in fields(Settings)]


def variable_of(name: str) -> str:
    """The variable of the environment that sets it."""
    return f"FRAMEWORK_{name.upper()}"


def name_of(key: str, origin: str = "") -> str:
    """The name of a setting as it was typed.

    Args:
        key: The name.
        origin: What the error is to say of where it stands.

    Raises:
        UsageError: There is no such setting; the nearest is named.
    """
    if key in names():
        return key
    import difflib

    close = difflib.get_close_matches(key, names(), 1)
    advice = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(names())}."
    raise UsageError(f"there is no setting {key!r}{origin}", advice=advice)


def write(key: str, value: str) -> Path:
    """Write one setting to the configuration file, whole or not at all; its other lines stay as they are.

    Returns:
        The file.

    Raises:
        UsageError: There is no such setting, it does not take the value, or the file cannot be read.
        BackendError: The file cannot be written.
    """
    path = config_file(home())
    content = {**_read(path), name_of(key): value}
    _check(key, value, FLAG)
    make(path.parent)
    text = _edited(path.read_text("utf-8") if path.exists() else "", key, value)
    if not _says(text, content):
        raise UsageError(f"{str(path)!r} is written in a way that cannot be edited", advice=f"Set {key} in it by hand.")
    _replace(path, text)
    return path


def _default(name: str, base: Path) -> str:
    if name == "db":
        return default_database(base)
    if name == "storage":
        return default_storage(base)
    return "default" if name == "project" else ""


def _check(name: str, value: object, origin: str) -> None:
    """Refuse what a setting does not take, and say where it stands."""
    wrong, advice = "", ""
    if not isinstance(value, str):
        wrong, advice = "is no text", f'Write it in quotes: {name} = "{value}".'
    elif not value.strip() or not value.isprintable():
        wrong, advice = "is no value", "Give it one, or leave the setting out."
    elif name in _URLS and not _URL.match(value):
        wrong, advice = "is no URL", f"Write it with its scheme, as in {_default(name, Path('/folder'))}."
    elif name == "project" and re.search(r"[\s/:@#]", value):
        wrong, advice = "is no name of a project", "Use letters, digits, '-', '_' and '.'."
    elif name == "registry" and not _REGISTRY.fullmatch(value):
        wrong, advice = "names no registry", "Write HOST, HOST:PORT or HOST/PATH, without a scheme."
    if wrong:
        raise UsageError(f"{name}: {value!r} {wrong} (from: {origin})", advice=advice)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = _parse(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # a home that is no folder: said by whoever writes to it
        return {}
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}", advice="Make it readable.") from None
    except ValueError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error}", advice="Mend the file, or remove it.") from None
    for key in content:
        if key not in _TABLES:
            name_of(key, f" (from: {path})")
    for group, name in _TABLES.items():
        _check_tables(group, name, content.get(group, {}), path)
    return content


def _check_tables(group: str, name: str, tables: object, path: Path) -> None:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError(f"{group} is no table of tables (from: {path})", advice=f"Write [{group}.{name}] above it.")


def _parse(text: str) -> dict[str, Any]:
    from importlib import import_module

    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: dict[str, Any] = toml.loads(text)
    return content


def _says(text: str, content: dict[str, Any]) -> bool:
    try:
        return _parse(text) == content
    except ValueError:
        return False


def _edited(text: str, key: str, value: str) -> str:
    """The text with one setting changed in its line, or put first."""
    import json

    line = f"{key} = {json.dumps(value, ensure_ascii=False)}"  # printable text is written alike in JSON and in TOML
    changed, count = re.subn(rf"(?m)^[ \t]*{key}[ \t]*=.*$", lambda _: line, text, count=1)
    return changed if count else f"{line}\n{text}"


def _replace(path: Path, text: str) -> None:
    """Write a file by another name first; only its owner may read it, because a URL may hold a password."""
    import tempfile

    target = path.resolve()  # a link, as people keep their configuration elsewhere, stays one
    try:
        fd, partial = tempfile.mkstemp(dir=target.parent, prefix=".config-", text=True)
        try:
            with open(fd, "w", encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(partial).replace(target)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise not_writable(path, error) from error
