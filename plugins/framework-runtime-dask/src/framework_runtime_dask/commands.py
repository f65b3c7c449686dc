"""``framework dask cluster list|show|close``."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from framework.errors import BackendError, NotFound, UsageError
from framework.home import home
from framework_runtime_dask.provider import Place
from framework_runtime_dask.providers import provider

if TYPE_CHECKING:
    from framework_runtime_dask.provider import Provider

_PROVIDERS = ("local", "operator")  # those that start clusters
_SLOW: Final = 5.0  # seconds without a word

_of_provider = click.option(
    "--provider", "of_provider", type=click.Choice(_PROVIDERS), help="Of which provider, where several have the name."
)
_of_namespace = click.option("--namespace", metavar="NAME", help="In which namespace of Kubernetes.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output, and nothing else.")


@click.group("dask")
def dask() -> None:
    """Look at Dask clusters, and close them."""


@dask.group("cluster")
def cluster() -> None:
    """The clusters that runs have started, and that are there."""


@cluster.command("list")
@_as_json
def list_clusters(as_json: bool) -> None:
    """List the clusters."""
    places = [place for _, place in _all()]
    if as_json:
        click.echo(json.dumps([attrs.asdict(place) for place in places]))
        return
    if not places:
        click.echo("There is no cluster. Start one: framework run FILE.py:FUNCTION --kind dask", err=True)
        return
    rows = [("CLUSTER", "PROVIDER", "NAMESPACE", "SCHEDULER", "DASHBOARD")]
    for it in places:
        namespace, dashboard = (it.facts.get(name) or "-" for name in ("namespace", "dashboard"))
        rows.append((it.cluster, it.provider, namespace, it.address, dashboard))
    _table(rows)
    click.echo(f"Next: framework dask cluster show {places[0].cluster}", err=True)


@cluster.command("show")
@click.argument("name")
@_of_provider
@_of_namespace
@_as_json
def show(name: str, of_provider: str | None, namespace: str | None, as_json: bool) -> None:
    """Show a cluster and its workers."""
    from framework_runtime_dask.clients import about_workers, on_scheduler
    from framework_runtime_dask.connections import Connections

    owner, place = _found(name, of_provider, namespace)
    try:
        with Connections(owner.reach).client(place) as client:
            workers = on_scheduler(client, about_workers)
    except BackendError:
        if (end := owner.without_scheduler(place)) is None:
            raise
        message = f"the scheduler of the cluster {name!r} is not up: {end['message']}"
        raise BackendError(message, advice=end["advice"]) from None
    if as_json:
        click.echo(json.dumps({**attrs.asdict(place), "workers": workers}))
        return
    click.echo(f"{place.cluster}  {place.provider}  {place.address}  {place.facts.get('dashboard', '')}".rstrip())
    rows = [("WORKER", "ADDRESS", "PID", "THREADS", "MEMORY", "TASKS")]
    for address, it in workers.items():
        memory = f"{it['memory'] / 2**30:.1f} GiB"
        rows.append((it["name"], address, str(it["pid"]), str(it["threads"]), memory, str(it["tasks"])))
    _table(rows)
    click.echo(f"Next: framework dask cluster close {place.cluster}", err=True)


@cluster.command("close")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_of_provider
@_of_namespace
def close(names: tuple[str, ...], of_provider: str | None, namespace: str | None) -> None:
    """Close clusters. What runs there ends, and is lost."""
    for name in names:
        owner, place = _found(name, of_provider, namespace)
        with _told_when_slow(f"{name} is being closed: where its scheduler does not answer, this takes some minutes."):
            owner.close(place)
        click.echo(f"{name} is closed.", err=True)


@contextlib.contextmanager
def _told_when_slow(words: str) -> Iterator[None]:
    """Say some words once what is done within has taken longer than people wait without one."""
    timer = threading.Timer(_SLOW, click.echo, (words,), {"err": True})
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _all() -> list[tuple[Provider, Place]]:
    found: list[tuple[Provider, Place]] = []
    for each in (provider(name, home()) for name in _PROVIDERS):
        try:
            found += [(each, place) for place in each.clusters()]
        except BackendError as error:  # of one that does not answer nothing is known; the others are listed
            click.echo(f"{error.message}. {error.advice}", err=True)
    return found


def _found(name: str, of_provider: str | None, namespace: str | None) -> tuple[Provider, Place]:
    """The one cluster of a name.

    Raises:
        NotFound: There is none.
        UsageError: There are several, and which is meant is not said.
    """
    clusters = _all()
    fitting = [
        (owner, place)
        for owner, place in clusters
        if place.cluster == name
        and of_provider in (None, place.provider)
        and namespace in (None, place.facts.get("namespace"))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        several = ", ".join(
            f"{place.provider} {place.facts.get('context', '')}/{place.facts['namespace']}"
            if "namespace" in place.facts
            else place.provider
            for _, place in fitting
        )
        raise UsageError(
            f"there are {len(fitting)} clusters {name!r}: {several}", advice="Say which: --provider, --namespace."
        )
    names = ", ".join(place.cluster for _, place in clusters) or "none"
    raise NotFound(f"there is no cluster {name!r} (there are: {names})", advice="See: framework dask cluster list")


def _table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows in columns."""
    table: list[tuple[Any, ...]] = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
