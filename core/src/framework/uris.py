"""URIs of functions, hub items, runs and artifacts: strict, and the same text again when printed.

    db://project/name[:tag][@sha256:…]              hub://[source/]name[:version][@sha256:…]
    run://project/uid[#iteration]                   store://project/key[:tag][@sha256:…]

Names, tags and versions are letters, digits, ``-``, ``_`` and ``.``, with neither ``-`` nor ``.`` at the ends; the key
of an artifact may be several of them, divided by ``/``. A digest may be shortened to four or more digits.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import fields, frozen

from framework.errors import UriError

if TYPE_CHECKING:
    from typing_extensions import Self

NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_RULES = {
    "key": (rf"{NAME}(?:/{NAME})*", "names divided by /"),
    "uid": (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a whole uid, in lower case"),
    "digest": (r"sha256:[0-9a-f]{4,64}", "sha256: and 4 to 64 digits from 0 to f"),
    "iteration": (r"0|[1-9][0-9]*", "a number"),
}
_NAME_RULE = (NAME, "letters, digits and, inside of it, '-', '_' and '.'")
_MARKS = {"tag": ":", "version": ":", "digest": "@", "iteration": "#"}


@frozen(kw_only=True)
class Uri(ABC):
    """What all URIs share: ``scheme``, and their ``form`` as people write it."""

    scheme: ClassVar[str]
    form: ClassVar[str]

    def __attrs_post_init__(self) -> None:
        for field in fields(type(self)):
            text = getattr(self, field.name)
            if text or field.name not in _optional(type(self)):
                _check(text, field.name, self.form)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI.

        Args:
            text: The whole URI.

        Raises:
            UriError: It is not of this form; the message names the part.
        """
        head = f"{cls.scheme}://"
        if not text.startswith(head):
            raise UriError(f"{text!r} does not begin with {head}", advice=f"The form is {cls.form}")
        try:
            return cls(**cls._split(text[len(head) :]))
        except UriError as error:
            raise UriError(f"{text!r}: {error.message}", advice=error.advice) from None

    @classmethod
    @abstractmethod
    def _split(cls, rest: str) -> dict[str, str]:
        """The parts of what is behind the scheme, unchecked."""

    def __str__(self) -> str:
        parts: dict[str, str] = {field.name: getattr(self, field.name) for field in fields(type(self))}
        path = "/".join(part for name, part in parts.items() if part and name not in _MARKS)
        tail = "".join(_MARKS[name] + part for name, part in parts.items() if part and name in _MARKS)
        return f"{self.scheme}://{path}{tail}"


@frozen(kw_only=True)
class FunctionUri(Uri):
    """A function, by tag, by version (its digest), or the latest."""

    scheme: ClassVar[str] = "db"
    form: ClassVar[str] = "db://project/name[:tag][@sha256:…]"

    project: str
    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def _split(cls, rest: str) -> dict[str, str]:
        path, tail = _tail(rest, "tag")
        return {**_project(path, "name", cls.form), **tail}


@frozen(kw_only=True)
class HubUri(Uri):
    """An item of a hub; without a source, of the one that is searched first."""

    scheme: ClassVar[str] = "hub"
    form: ClassVar[str] = "hub://[source/]name[:version][@sha256:…]"

    source: str = ""
    name: str
    version: str = ""
    digest: str = ""

    @classmethod
    def _split(cls, rest: str) -> dict[str, str]:
        path, tail = _tail(rest, "version")
        source, slash, name = path.partition("/")
        if not slash:
            return {"name": path, **tail}
        _check(source, "source", cls.form)
        return {"source": source, "name": name, **tail}


@frozen(kw_only=True)
class RunUri(Uri):
    """A run, or one iteration of it."""

    scheme: ClassVar[str] = "run"
    form: ClassVar[str] = "run://project/uid[#iteration]"

    project: str
    uid: str
    iteration: str = ""

    @classmethod
    def _split(cls, rest: str) -> dict[str, str]:
        path, tail = _cut(rest, "iteration", cls.form)
        return {**_project(path, "uid", cls.form), **tail}


@frozen(kw_only=True)
class ArtifactUri(Uri):
    """An artifact, by tag, by digest, or the latest of its key."""

    scheme: ClassVar[str] = "store"
    form: ClassVar[str] = "store://project/key[:tag][@sha256:…]"

    project: str
    key: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def _split(cls, rest: str) -> dict[str, str]:
        path, tail = _tail(rest, "tag")
        return {**_project(path, "key", cls.form), **tail}


_CLASSES: tuple[type[Uri], ...] = (FunctionUri, HubUri, RunUri, ArtifactUri)


def parse(text: str) -> Uri:
    """Read any of the URIs, by its scheme.

    Args:
        text: The whole URI.

    Raises:
        UriError: The scheme is unknown, or the rest is not of its form.
    """
    scheme, mark, _ = text.partition("://")
    for cls in _CLASSES:
        if mark and scheme == cls.scheme:
            return cls.parse(text)
    known = ", ".join(f"{cls.scheme}://" for cls in _CLASSES)
    found = f"the scheme {scheme!r} is unknown" if mark else "there is no scheme"
    raise UriError(f"{text!r}: {found}", advice=f"Known schemes: {known}")


def check_name(text: str, what: str) -> str:
    """A name that a URI can have, as it came.

    Args:
        text: The name.
        what: What it names, for the message.

    Raises:
        UriError: It has other characters than a URI can carry.
    """
    _check(text, what, f"{what}: {_NAME_RULE[1]}")
    return text


def _check(text: str, part: str, form: str) -> None:
    pattern, rule = _RULES.get(part, _NAME_RULE)
    if re.fullmatch(pattern, text) is None:
        problem = f"the {part} {text!r} is not {rule}" if text else f"the {part} is missing"
        raise UriError(problem, advice=f"The form is {form}")


def _tail(rest: str, part: str) -> tuple[str, dict[str, str]]:
    """Cut off ``@digest``, then ``:tag``; a digest has a colon too, so it goes first."""
    form = next(cls.form for cls in _CLASSES if any(field.name == part for field in fields(cls)))
    path, digest = _cut(rest, "digest", form)
    path, tag = _cut(path, part, form)
    return path, {**tag, **digest}


def _cut(rest: str, part: str, form: str) -> tuple[str, dict[str, str]]:
    path, mark, text = rest.partition(_MARKS[part])
    if mark:
        _check(text, part, form)
    return path, {part: text}


def _project(path: str, part: str, form: str) -> dict[str, str]:
    project, _, text = path.partition("/")
    _check(project, "project", form)
    return {"project": project, part: text}


def _optional(cls: type[Any]) -> set[str]:
    return {field.name for field in fields(cls) if field.default == ""}
