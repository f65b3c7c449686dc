"""The conformance suite of notifiers.

    from framework.testing.notifiers import NotifierSuite

    class TestMatrix(NotifierSuite):
        name = "matrix"
        bad_addresses = ("", "no room")

        @pytest.fixture
        def address(self, matrix_server):
            return matrix_server.room

        @pytest.fixture
        def received(self, matrix_server):
            return lambda: matrix_server.messages

        @pytest.fixture
        def unreachable(self):
            return "room@127.0.0.1:1"

The distribution that registers the notifier has to be installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest

from framework.errors import NotificationError, UsageError
from framework.notifiers import Notice, Notifier
from framework.plugins.manager import Plugins

_LONGEST = 60.0  # seconds that telling may take at most
_TEXT = 'train failed: UserError: "ValueError: nö\\n" (run://default/0198)'


class NotifierSuite:
    """Everything that is asked of a notifier.

    Set ``name``, and ``bad_addresses``, which it refuses. Override the fixtures ``address``, ``received`` and
    ``unreachable``; where nothing can be unreachable, let it skip.
    """

    name: ClassVar[str]
    bad_addresses: ClassVar[Sequence[str]]

    @pytest.fixture
    def address(self) -> str:
        """An address at which it is heard."""
        raise NotImplementedError("override the fixture `address`")

    @pytest.fixture
    def received(self) -> Callable[[], Sequence[str]]:
        """Gives the texts that have arrived there, each of which holds the notice's own."""
        raise NotImplementedError("override the fixture `received`")

    @pytest.fixture
    def unreachable(self) -> str:
        """A good address where nobody answers."""
        raise NotImplementedError("override the fixture `unreachable`")

    @pytest.fixture
    def notice(self) -> Notice:
        """The end of a failed run."""
        metadata = {"uid": "0198", "name": "train", "project": "default"}
        status = {"state": "failed", "cause": "UserError", "message": "ValueError: nö", "results": {"a": 1.5}}
        return Notice(text=_TEXT, run={"metadata": metadata, "spec": {}, "status": status})

    def _made(self, address: str) -> Notifier:
        return Plugins().notifier(self.name, address)

    def test_a_notice_arrives_once(self, address: str, received: Callable[[], Sequence[str]], notice: Notice) -> None:
        self._made(address).notify(notice)
        assert [_TEXT in text for text in received()] == [True]

    def test_making_it_tells_nobody(self, address: str, received: Callable[[], Sequence[str]]) -> None:
        self._made(address)
        assert list(received()) == []

    def test_an_address_that_is_none_is_refused_with_advice(self) -> None:
        for address in self.bad_addresses:
            with pytest.raises(UsageError) as raised:
                self._made(address)
            assert raised.value.advice

    def test_a_place_where_nobody_answers_is_an_error_that_comes_in_time(
        self, unreachable: str, notice: Notice
    ) -> None:
        begun = time.monotonic()
        with pytest.raises(NotificationError) as raised:
            self._made(unreachable).notify(notice)
        assert time.monotonic() - begun < _LONGEST
        assert raised.value.advice
        assert unreachable not in raised.value.message, "the address may be the key to the place"
