"""Merging: what another database has is brought into this one, each thing once.

It may be stopped at any moment and begun again: a content is there before what names it, and each batch of runs is one
transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from attrs import evolve

from framework.databases import Document, RunRecord
from framework.engine.reconcile import reconciled
from framework.engine.transfer.contents import Contents, Reader, uris_of
from framework.engine.transfer.naming import bring_project, bring_tags
from framework.engine.transfer.report import Report
from framework.errors import NotFound

if TYPE_CHECKING:
    from framework.databases import Database
    from framework.storages import Storage

_BATCH: Final = 100  # runs of one transaction
_BYTES: Final = 8 << 20  # of output, with which a batch is full
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class Merger:
    """Brings things into a database.

    Args:
        target: The database.
        storage: Where contents are copied to; None where they stay where they are.
        dry_run: Whether to look only, and change nothing.
        progress: Is told of the report after each batch.
    """

    def __init__(
        self,
        target: Database,
        storage: Storage | None = None,
        *,
        dry_run: bool = False,
        progress: Callable[[Report], None] = lambda _report: None,
    ) -> None:
        self.report = Report()
        self.target = target
        self._contents = Contents(storage, self.report, dry_run=dry_run)
        self._dry_run = dry_run
        self._progress = progress
        self._batch: list[RunRecord] = []
        self._size = 0

    def project(self, document: Document) -> None:
        """Bring a project."""
        bring_project(self.target, document, self.report, dry_run=self._dry_run)

    def function(self, history: Sequence[Document], reader: Reader) -> None:
        """Bring one function.

        Args:
            history: Its versions, the latest first.
            reader: Opens a content of the source by its URI.
        """
        metadata = history[0]["metadata"]
        try:
            known = self.target.function_history(metadata.get("project", "default"), metadata["name"])
        except NotFound:
            known = []
        here = {version["status"]["version"] for version in known}
        for version in reversed(history):
            if version["status"]["version"] not in here:
                self._version(version, reader)
        bring_tags(self.target, history, known, self.report, dry_run=self._dry_run)

    def _version(self, version: Document, reader: Reader) -> None:
        self.report.functions_new += 1
        for uri in uris_of(version):
            self._contents.bring(uri, reader)
        if not self._dry_run:
            self.target.put_function(self._contents.moved(version), latest=False)

    def shared(self, content: bytes) -> None:
        """Bring a content that runs share; the same again is the same."""
        if not self._dry_run:
            self.target.put_content(content)

    def run(self, record: RunRecord, reader: Reader) -> None:
        """Bring a run; it is there after `finish` at the latest.

        Its handle stays behind: a run that goes on is followed, ended and repeated by one database only.

        Args:
            record: All of it.
            reader: Opens a content of the source by its URI.
        """
        for uri in uris_of([record.ledger, record.artifacts]):
            self._contents.bring(uri, reader)
        moved = evolve(
            record,
            handle=None,
            cursor={},
            document=self._contents.moved(record.document),
            ledger=self._contents.moved(record.ledger),
            artifacts=self._contents.moved(record.artifacts),
        )
        self._batch.append(moved)
        self._size += sum(len(chunk.data) for chunk in record.log)
        if len(self._batch) >= _BATCH or self._size >= _BYTES:
            self.finish()

    def finish(self) -> None:
        """Bring what is waiting."""
        batch, self._batch, self._size = self._batch, [], 0
        if not batch:
            return
        known = [self._is_known(record.uid) for record in batch]
        new = [self._would_change(record) for record in batch] if self._dry_run else self.target.load_runs(batch)
        self.report.runs_new += sum(changed and not here for changed, here in zip(new, known, strict=True))
        self.report.runs_completed += sum(changed and here for changed, here in zip(new, known, strict=True))
        self._progress(self.report)

    def _is_known(self, uid: str) -> bool:
        try:
            self.target.active_run(uid)
        except NotFound:
            return False
        return True

    def _would_change(self, record: RunRecord) -> bool:
        try:
            return reconciled(self.target.dump_run(record.uid), record) is not None
        except NotFound:
            return True


def merge_database(source: Database, merger: Merger, reader: Reader, project: str | None = None) -> None:
    """Bring everything that another database has.

    Args:
        source: It; it is not changed.
        merger: Brings it; runs that are the same in its database are passed over.
        reader: Opens a content of the source.
        project: Only what is in this project; None: everything.
    """
    for document in source.projects():
        if project in (None, document["metadata"]["name"]):
            merger.project(document)
    for latest in source.functions(project):
        metadata = latest["metadata"]
        merger.function(source.function_history(metadata.get("project", "default"), metadata["name"]), reader)
    shared, here = set(source.contents()), set(merger.target.contents())
    stamps = dict(merger.target.run_stamps(project))
    for uid, stamp in source.run_stamps(project):
        merger.report.runs += 1
        if stamps.get(uid) == stamp:
            continue
        record = source.dump_run(uid)
        for digest in digests_of(record.document) & shared - here:
            merger.shared(source.content(digest))
            here.add(digest)
        merger.run(record, reader)
    merger.finish()


def digests_of(document: Document) -> set[str]:
    """The digests that a document names."""
    return set(_DIGEST.findall(json.dumps(document)))
