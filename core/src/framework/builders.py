"""The interface of a builder of images: from a recipe to an image in a registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from attrs import frozen

USUAL: Final = "buildah"
"""The builder that is taken where none is named."""

Report = Callable[[str], None]
"""Takes one line of a build's output."""


@frozen(kw_only=True)
class Recipe:
    """What an image is made of.

    Args:
        containerfile: The text of a Containerfile that needs no files beside it; buildah, docker and podman read it.
        tag: The name of that content: the same recipe has the same tag everywhere.
    """

    containerfile: str
    tag: str


class Builder(ABC):
    """Builds images with one tool.

    Args:
        registry: Where images go, ``HOST[:PORT][/PATH]``; empty for those that stay on this machine.
    """

    def __init__(self, registry: str) -> None:
        self.registry = registry

    @abstractmethod
    def find(self, image: str) -> str:
        """Look for an image: in the registry, or on this machine where there is none.

        Args:
            image: Its whole name with its tag.

        Returns:
            Its digest, ``sha256:…``; empty where it is not there.

        Raises:
            BackendError: The registry does not answer, or refuses.
        """

    @abstractmethod
    def build(self, recipe: Recipe, image: str, report: Report) -> str:
        """Build an image, and push it where there is a registry.

        Args:
            recipe: What it is made of.
            image: Its whole name with its tag.
            report: Is told what the tool says, line by line.

        Returns:
            Its digest, ``sha256:…``.

        Raises:
            UsageError: A step of the recipe failed: the error says which, and how.
            BackendError: The tool is missing, or the registry did not take it.
        """
