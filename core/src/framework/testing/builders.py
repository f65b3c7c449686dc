"""The conformance suite of builders of images.

    from framework.testing.builders import BuilderSuite

    class TestKaniko(BuilderSuite):
        name = "kaniko"

        @pytest.fixture
        def registry(self, my_registry):
            return my_registry.address

        @pytest.fixture
        def base(self, my_registry):
            return f"{my_registry.address}/library/python:3.12-slim"

The distribution that registers the builder has to be installed.
"""

from __future__ import annotations

import os
import re
from typing import ClassVar

import pytest

from framework.builders import Builder, Recipe
from framework.engine.images import image_name, recipe
from framework.errors import BackendError, UsageError
from framework.models.function import Environment
from framework.plugins.manager import Plugins

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BuilderSuite:
    """Everything that is asked of a builder.

    Set ``name``, the builder's, and override the fixtures ``registry``, a registry that may be written to, and
    ``base``, an image in it that has a shell.
    """

    name: ClassVar[str]

    @pytest.fixture
    def registry(self) -> str:
        """The address of a registry."""
        raise NotImplementedError("override the fixture `registry`")

    @pytest.fixture
    def base(self) -> str:
        """An image with a shell."""
        raise NotImplementedError("override the fixture `base`")

    @pytest.fixture
    def builder(self, registry: str) -> Builder:
        """The builder, for the registry."""
        return Plugins().builder(self.name, registry)

    def _recipe(self, base: str, *commands: str) -> Recipe:
        """A recipe that nobody has built yet."""
        mark = f"echo {os.urandom(8).hex()} > /made"
        made = recipe(Environment(base_image=base, commands=[mark, *commands]))
        assert made is not None
        return made

    def test_what_is_built_is_in_the_registry_under_its_name(self, builder: Builder, base: str) -> None:
        made = self._recipe(base)
        image = image_name(made, builder.registry)
        lines: list[str] = []
        assert builder.find(image) == ""
        digest = builder.build(made, image, lines.append)
        assert _DIGEST.fullmatch(digest)
        assert builder.find(image) == digest
        assert any("/made" in line for line in lines), "its steps are reported"

    def test_another_builder_of_the_same_registry_finds_it(self, builder: Builder, base: str) -> None:
        made = self._recipe(base)
        image = image_name(made, builder.registry)
        digest = builder.build(made, image, lambda _line: None)
        assert Plugins().builder(self.name, builder.registry).find(image) == digest

    def test_what_is_built_can_be_built_upon(self, builder: Builder, base: str) -> None:
        first = self._recipe(base, "echo one > /one")
        builder.build(first, image_name(first, builder.registry), lambda _line: None)
        second = self._recipe(image_name(first, builder.registry), "cat /made /one")
        assert builder.build(second, image_name(second, builder.registry), lambda _line: None)

    def test_a_step_that_fails_is_named_with_what_it_said(self, builder: Builder, base: str) -> None:
        made = self._recipe(base, "echo what the step says >&2; exit 3")
        image = image_name(made, builder.registry)
        with pytest.raises(UsageError) as caught:
            builder.build(made, image, lambda _line: None)
        assert "exit 3" in caught.value.message
        assert "what the step says" in caught.value.message
        assert caught.value.advice
        assert builder.find(image) == ""

    def test_a_base_that_is_not_there_is_the_backends_error(self, builder: Builder) -> None:
        made = self._recipe(f"{builder.registry}/no/such/image:1")
        with pytest.raises(BackendError) as caught:
            builder.build(made, image_name(made, builder.registry), lambda _line: None)
        assert "no/such/image" in caught.value.message
        assert caught.value.advice

    def test_a_registry_that_does_not_answer_is_the_backends_error(self) -> None:
        with pytest.raises(BackendError) as caught:
            Plugins().builder(self.name, "127.0.0.1:9").find("127.0.0.1:9/framework-env:0")
        assert "127.0.0.1:9" in caught.value.message
        assert caught.value.advice
