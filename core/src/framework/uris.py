"""URIs of functions, hub items, runs and artifacts: strict, and the same text again when printed.

    db://project/name[:tag][@sha256:…]              hub://[source/]name[:version][@sha256:…]
    run://project/uid[#iteration]                   store://project/key[:tag][@sha256:…]
"""

from __future__ import annotations

import re
from typing import ClassVar, TypeVar

from attrs import frozen

from framework.errors import UriError

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_KEY = rf"{NAME}(?:/{NAME})*"
_TAIL = rf"(?::(?P<tag>{NAME}))?(?:@(?P<digest>sha256:[0-9a-f]{{4,64}}))?"

Self = TypeVar("Self", bound="Uri")


@frozen(kw_only=True)
class Uri:
    """What all URIs share."""

    scheme: ClassVar[str]
    form: ClassVar[str]
    _pattern: ClassVar[re.Pattern[str]]

    @classmethod
    def parse(cls: type[Self], text: str) -> Self:
        """Read a URI.

        Raises:
            UriError: It is not of this form.
        """
        match = cls._pattern.fullmatch(text)
        if match is None:
            raise UriError(f"{text!r} is no {cls.scheme}:// URI", advice=f"Write {cls.form}.")
        return cls(**{name: value or "" for name, value in match.groupdict().items()})


@frozen(kw_only=True)
class FunctionUri(Uri):
    """A function, by tag or by version."""

    scheme: ClassVar[str] = "db"
    form: ClassVar[str] = "db://project/name[:tag][@sha256:…]"
    _pattern: ClassVar[re.Pattern[str]] = re.compile(rf"db://(?P<project>{NAME})/(?P<name>{NAME}){_TAIL}")

    project: str
    name: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"db://{self.project}/{self.name}{_tail(self.tag, self.digest)}"


@frozen(kw_only=True)
class HubUri(Uri):
    """An item of a hub."""

    scheme: ClassVar[str] = "hub"
    form: ClassVar[str] = "hub://[source/]name[:version][@sha256:…]"
    _pattern: ClassVar[re.Pattern[str]] = re.compile(
        rf"hub://(?:(?P<source>{NAME})/)?(?P<name>{NAME})"
        rf"(?::(?P<version>{NAME}))?(?:@(?P<digest>sha256:[0-9a-f]{{4,64}}))?"
    )

    name: str
    source: str = ""
    version: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"hub://{self.source + '/' if self.source else ''}{self.name}{_tail(self.version, self.digest)}"


@frozen(kw_only=True)
class RunUri(Uri):
    """A run, or one of its iterations."""

    scheme: ClassVar[str] = "run"
    form: ClassVar[str] = "run://project/uid[#iteration]"
    _pattern: ClassVar[re.Pattern[str]] = re.compile(
        rf"run://(?P<project>{NAME})/(?P<uid>[0-9a-f-]+)(?:#(?P<iteration>0|[1-9][0-9]*))?"
    )

    project: str
    uid: str
    iteration: str = ""

    def __str__(self) -> str:
        return f"run://{self.project}/{self.uid}{'#' + self.iteration if self.iteration else ''}"


@frozen(kw_only=True)
class ArtifactUri(Uri):
    """An artifact, by tag or by digest."""

    scheme: ClassVar[str] = "store"
    form: ClassVar[str] = "store://project/key[:tag][@sha256:…]"
    _pattern: ClassVar[re.Pattern[str]] = re.compile(rf"store://(?P<project>{NAME})/(?P<key>{_KEY}){_TAIL}")

    project: str
    key: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"store://{self.project}/{self.key}{_tail(self.tag, self.digest)}"


_CLASSES: tuple[type[Uri], ...] = (FunctionUri, HubUri, RunUri, ArtifactUri)


def parse(text: str) -> Uri:
    """Read any of the URIs, by its scheme.

    Raises:
        UriError: The scheme is unknown, or the rest is not of its form.
    """
    for cls in _CLASSES:
        if text.startswith(f"{cls.scheme}://"):
            return cls.parse(text)
    raise UriError(f"{text!r} has no scheme that is known", advice="Known: db://, hub://, run://, store://.")


def check_name(text: str, what: str) -> str:
    """A name that a URI can have.

    Args:
        text: The name.
        what: What it names, for the message.

    Raises:
        UriError: It has other signs than letters, digits, ``.``, ``_`` and ``-``.
    """
    if not re.fullmatch(NAME, text):
        raise UriError(
            f"{text!r} is no name for {what}", advice="Use letters, digits and inside of it '.', '_' and '-'."
        )
    return text


def _tail(tag: str, digest: str) -> str:
    return (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
