"""The conformance suite of storages.

    from framework.testing.storages import StorageSuite

    class TestFtp(StorageSuite):
        @pytest.fixture
        def storage(self, ftp_server):
            return FtpStorage(ftp_server.url)

What needs more than that is skipped by name until its fixture or method is overridden.
"""

from __future__ import annotations

import pytest

from framework.storages import Storage
from framework.testing.storage_contents import ContentsSuite
from framework.testing.storage_deaths import InterruptionsSuite
from framework.testing.storage_runside import RunSideSuite

__all__ = ["StorageSuite"]


class StorageSuite(ContentsSuite, InterruptionsSuite, RunSideSuite):
    """Everything that a storage promises: contents, interruptions, the run side.

    Override the fixture ``storage``: an empty storage, which other processes of this machine reach by its URL. Override
    the fixture ``small_storage`` (one on a small disk, see ``small_disk``) and the method ``damage`` where that can be.
    """

    @pytest.fixture
    def storage(self) -> Storage:
        """An empty storage."""
        raise NotImplementedError("override the fixture `storage`")
