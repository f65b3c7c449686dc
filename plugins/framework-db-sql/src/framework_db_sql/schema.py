"""The tables, as numbered migrations. A migration is never changed once it is released; a new one is added.

``{id}``, ``{blob}``, ``{real}``, ``{narrow}`` stand for what SQLite and PostgreSQL call differently.
"""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final[list[list[str]]] = [
    [
        """create table runs (
            id {id}, uid text not null unique, project text not null, name text not null, state text not null,
            parent text not null, created {real} not null, active integer not null, indexed integer not null default 0,
            doc text not null, ledger text not null default '{{}}', handle text, cursor text)""",
        "create index runs_by_time on runs (created, id)",
        "create index runs_by_project on runs (project, created)",
        "create index runs_by_name on runs (name, created)",
        "create index runs_by_state on runs (state, created)",
        "create index runs_by_parent on runs (parent) where parent <> ''",
        "create index runs_active on runs (active) where active = 1",
        "create index runs_unindexed on runs (indexed) where indexed = 0",
        "create table numbers (key text not null, value {real} not null, run bigint not null, primary key (key, value, run)){narrow}",
        "create index numbers_by_run on numbers (run, key)",
        "create table texts (key text not null, value text not null, run bigint not null, primary key (key, value, run)){narrow}",
        "create index texts_by_run on texts (run, key)",
        """create table log (id {id}, run bigint not null, attempt integer not null, rank integer not null,
            stream text not null, time {real} not null, data {blob} not null)""",
        "create index log_by_run on log (run, attempt)",
        "create table points (id {id}, run bigint not null, attempt integer not null, key text not null, data {blob} not null)",
        "create index points_by_run on points (run, key)",
        """create table artifacts (id {id}, project text not null, key text not null, run text not null, digest text not null,
            created {real} not null, doc text not null, unique (run, key, digest))""",
        "create index artifacts_by_key on artifacts (project, key, created)",
        """create table functions (id {id}, project text not null, name text not null, version text not null,
            created {real} not null, doc text not null, unique (project, name, version))""",
        """create table tags (project text not null, name text not null, tag text not null, version text not null,
            primary key (project, name, tag))""",
        "create table projects (name text primary key, doc text not null)",
    ],
]

SQLITE: Final = {"id": "integer primary key", "blob": "blob", "real": "real", "narrow": " without rowid"}
POSTGRESQL: Final = {"id": "bigserial primary key", "blob": "bytea", "real": "double precision", "narrow": ""}
