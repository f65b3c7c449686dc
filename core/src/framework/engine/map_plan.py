"""What a map is before it is started: the run that maps, and its items."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Final, overload

from attrs import define, evolve

from framework.databases import Document
from framework.engine.caching import is_on, note_key
from framework.engine.plan import Planned, check_params, plan, run_document
from framework.engine.request import RunRequest
from framework.errors import CapabilityMissing, ParameterError, UsageError
from framework.runtimes import Submission
from framework_run.numbers import decode, encode
from framework_run.uid import new_uid

if TYPE_CHECKING:
    from framework.engine.session import Session

_BATCH: Final = 500  # runs in one transaction
_MICROSECOND: Final = 1e-6  # between the creation of two items: by it they keep their order


@define(kw_only=True)
class PlannedMap:
    """A map that can be started.

    Args:
        run: The document of the run that maps.
        base: The plan of its first item.
        items: The items' submissions and documents.
        listing: Their parameters, as the database keeps them.
        parallelism: How many run at once, at most; 0 for as many as there is room for.
    """

    run: Document
    base: Planned
    items: Items
    listing: bytes
    parallelism: int

    @property
    def uid(self) -> str:
        """The uid of the run that maps."""
        return str(self.run["metadata"]["uid"])


class Items(Sequence[Submission]):
    """The submissions of a map, each made when it is asked for.

    Args:
        base: The plan of the first.
        parent: The uid of the run that maps.
        params: The parameters of each, those that all have in common included.
        replays: The uids of the runs that they repeat, by their numbers.
    """

    def __init__(
        self, base: Planned, parent: str, params: Sequence[Mapping[str, Any]], replays: Mapping[int, str]
    ) -> None:
        self._base = base
        self._parent = parent
        self._params = params
        self._replays = replays
        self._uids = [new_uid() for _ in params]
        self._created = round(time.time(), 6)  # a whole one: by parts of them two items could come to the same
        self._places: Sequence[int] = range(len(params))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Submission: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Submission]: ...
    def __getitem__(self, index: int | slice) -> Submission | Sequence[Submission]:
        """The submission of an item, or those of some."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        record = self.record(self._places[index])
        of_base = self._base.submission
        document = {
            **of_base.document,
            "run": {**of_base.document["run"], "uid": record["metadata"]["uid"], "name": record["metadata"]["name"]},
            "params": record["spec"]["params"],
            "record": record,
        }
        return evolve(of_base, document=document, callable=None)

    def only(self, places: Sequence[int]) -> Items:
        """Those at some places, in this order."""
        some = copy(self)
        some._places = places  # noqa: SLF001  its own
        return some

    def record(self, index: int) -> Document:
        """The document of an item's run as it begins."""
        request = evolve(
            self._base.request,
            params=dict(self._params[index]),
            parent=self._parent,
            replays=self._replays.get(index + 1, ""),
        )
        run = run_document(request, self._base.submission.function, self._base.capture, self._base.guard)
        run["metadata"]["uid"] = self._uids[index]
        run["spec"]["iteration"] = index + 1
        run["spec"].update(_noted(self._base.run))
        note_key(run, request, self._base.function)
        run["status"] = {"state": "pending", "created": self._created + index * _MICROSECOND}
        return run

    def numbers(self) -> dict[str, int]:
        """The number of each item, from 1, by its uid."""
        return {uid: number for number, uid in enumerate(self._uids, 1)}

    def records(self) -> Iterator[list[Document]]:
        """The documents of all, some hundred at a time."""
        for first in range(0, len(self._params), _BATCH):
            yield [self.record(index) for index in range(first, min(first + _BATCH, len(self._params)))]

    def listing(self) -> bytes:
        """The parameters of all as they are recorded, a line of JSON each: by it the map can be replayed."""
        guarded = self._base.guard is not None
        recorded = (
            self.record(index)["spec"]["params"] if guarded else encode(dict(params))
            for index, params in enumerate(self._params)
        )
        return "".join(f"{json.dumps(params, separators=(',', ':'))}\n" for params in recorded).encode("ascii")


def listed(content: bytes) -> list[dict[str, Any]]:
    """The parameters of a map's items out of a listing."""
    return [decode(json.loads(line)) for line in content.splitlines()]


def plan_map(
    session: Session,
    request: RunRequest,
    items: Sequence[Mapping[str, Any]],
    parallelism: int = 0,
    replays: Mapping[int, str] | None = None,
) -> PlannedMap:
    """Plan a map.

    Args:
        session: Where it is recorded.
        request: What every item has in common, parameters included.
        items: The parameters of each; they win over the common ones.
        parallelism: How many run at once, at most; 0 for as many as there is room for.
        replays: The uids of the runs that items repeat, by the items' numbers from 1.

    Raises:
        ParameterError: The parameters of an item do not bind; the message says which.
        UsageError: There is no item, or it cannot be planned.
    """
    if not items:
        raise UsageError("a map needs at least one item", advice="Give a list of parameters: [{...}, {...}].")
    if parallelism < 0:
        raise UsageError(f"parallelism is {parallelism}", advice="Give how many may run at once: 1 or more.")
    if request.pdb or request.inline:
        raise CapabilityMissing("a map runs apart from this process", advice="Run one item inline to debug it.")
    params = [{**request.params, **_mapping(number, item)} for number, item in enumerate(items, 1)]
    with _naming(1):
        base = plan(session, evolve(request, params=params[0]))
    for number, each in enumerate(params, 1):
        with _naming(number):
            check_params(evolve(request, params=each), base.function)
    of_base = base.request
    request = evolve(request, notifications=of_base.notifications, artifact_path=of_base.artifact_path)
    run = run_document(request, base.submission.function, base.capture, base.guard)
    retry = run["spec"].pop("retry", None)  # which is the items' own
    run["spec"].update(_noted(base.run))
    made = Items(base, run["metadata"]["uid"], params, replays or {})
    listing = made.listing()
    run["spec"]["map"] = {
        "items": len(params),
        "parallelism": parallelism,
        "params": f"sha256:{hashlib.sha256(listing).hexdigest()}",
        **({"retry": retry} if retry else {}),
        **({"cache": True} if is_on(request, base.function) else {}),
    }
    return PlannedMap(run=run, base=base, items=made, listing=listing, parallelism=parallelism)


def _noted(run: Document) -> dict[str, Any]:
    """What a plan notes in a run that is the same for all items: what the inputs hold, and the image."""
    return {name: run["spec"][name] for name in ("input_contents", "image") if name in run["spec"]}


def _mapping(number: int, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, Mapping) or not all(isinstance(key, str) for key in item):
        raise ParameterError(
            f"item {number} is {type(item).__name__}, and not parameters by name",
            advice='Write each item as {"name": value, ...}.',
        )
    return item


class _naming:  # noqa: N801  used as a function
    """Say which item it is whose parameters do not bind."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ParameterError):
            raise ParameterError(f"item {self._number}: {error.message}", advice=error.advice) from None
