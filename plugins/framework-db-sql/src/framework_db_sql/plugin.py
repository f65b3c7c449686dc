"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import DatabaseScheme


@hookimpl
def framework_databases() -> list[DatabaseScheme]:
    """SQLite and PostgreSQL, by the same class."""
    target = "framework_db_sql.database:SqlDatabase"
    return [DatabaseScheme(scheme=scheme, target=target) for scheme in ("sqlite", "postgresql")]
