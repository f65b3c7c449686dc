from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework import uris
from framework.errors import UriError
from framework.uid import new_uid

NAMES = st.from_regex(uris.NAME, fullmatch=True).filter(str.isascii)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
DIGESTS = st.text("0123456789abcdef", min_size=4, max_size=64).map("sha256:".__add__)
OPTIONAL_NAMES = st.just("") | NAMES
OPTIONAL_DIGESTS = st.just("") | DIGESTS

URIS = st.one_of(
    st.builds(uris.FunctionUri, project=NAMES, name=NAMES, tag=OPTIONAL_NAMES, digest=OPTIONAL_DIGESTS),
    st.builds(uris.HubUri, source=OPTIONAL_NAMES, name=NAMES, version=OPTIONAL_NAMES, digest=OPTIONAL_DIGESTS),
    st.builds(
        uris.RunUri,
        project=NAMES,
        uid=st.builds(new_uid),
        iteration=st.just("") | st.integers(min_value=0).map(str),
    ),
    st.builds(uris.ArtifactUri, project=NAMES, key=KEYS, tag=OPTIONAL_NAMES, digest=OPTIONAL_DIGESTS),
)


@given(URIS)
def test_what_is_printed_is_parsed_to_the_same(uri: uris.Uri) -> None:
    assert uris.parse(str(uri)) == uri
    assert type(uri).parse(str(uri)) == uri


@given(
    st.sampled_from(["db", "hub", "run", "store"]),
    st.text("aZ9-_./:@#sha256 é\n%", max_size=30)
    | st.builds(
        "{}/{}{}".format,
        NAMES,
        NAMES,
        st.text(":@#/ash256", max_size=12),
    ),
)
def test_what_parses_prints_as_it_was_written(scheme: str, rest: str) -> None:
    text = f"{scheme}://{rest}"
    try:
        parsed = uris.parse(text)
    except UriError:
        return
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("db://shop/train", uris.FunctionUri(project="shop", name="train")),
        (
            "db://shop/train:v1.2@sha256:0123456789ab",
            uris.FunctionUri(project="shop", name="train", tag="v1.2", digest="sha256:0123456789ab"),
        ),
        ("hub://train", uris.HubUri(name="train")),
        ("hub://ours/train:1.0", uris.HubUri(source="ours", name="train", version="1.0")),
        (
            "run://shop/0198aaaa-bbbb-7ccc-8ddd-eeeeffff0000#3",
            uris.RunUri(project="shop", uid="0198aaaa-bbbb-7ccc-8ddd-eeeeffff0000", iteration="3"),
        ),
        ("store://shop/models/digits:best", uris.ArtifactUri(project="shop", key="models/digits", tag="best")),
    ],
)
def test_each_form_is_read(text: str, uri: uris.Uri) -> None:
    assert uris.parse(text) == uri


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("db://shop", "the name is missing"),
        ("db:///train", "the project is missing"),
        ("db://shop/train:", "the tag is missing"),
        ("db://shop/train@", "the digest is missing"),
        ("db://shop/train@sha256:XYZ", "the digest 'sha256:XYZ'"),
        ("db://shop/train@sha256:abcd:tag", "the digest 'sha256:abcd:tag'"),
        ("db://shop/my train", "the name 'my train'"),
        ("db://shop/train\n", r"the name 'train\\n'"),
        ("db://../train", "the project '..'"),
        ("db://shop/größe", "the name 'größe'"),
        ("db://shop/a/b", "the name 'a/b'"),
        ("hub:///train", "the source is missing"),
        ("hub://", "the name is missing"),
        ("run://shop/0198", "the uid '0198'"),
        ("run://shop/0198aaaa-bbbb-7ccc-8ddd-eeeeffff0000#03", "the iteration '03'"),
        ("store://shop/a//b", "the key 'a//b'"),
        ("store://shop/../b", "the key '../b'"),
        ("stor://shop/a", "the scheme 'stor' is unknown"),
        ("train", "there is no scheme"),
    ],
)
def test_an_error_names_the_part_and_shows_the_form(text: str, problem: str) -> None:
    with pytest.raises(UriError, match=problem) as caught:
        uris.parse(text)
    assert "://" in caught.value.advice
    assert caught.value.message.startswith(repr(text))


@pytest.mark.parametrize(("cls", "text"), [(uris.RunUri, "db://shop/train"), (uris.FunctionUri, "store://shop/train")])
def test_a_class_reads_its_own_scheme_only(cls: type[uris.Uri], text: str) -> None:
    with pytest.raises(UriError, match=f"does not begin with {cls.scheme}://"):
        cls.parse(text)


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"name": "a b"}, {"project": "a:b"}, {"tag": "-"}, {"digest": "md5:0"}]
)
def test_no_uri_can_be_made_that_would_not_parse(changes: dict[str, str]) -> None:
    with pytest.raises(UriError):
        attrs.evolve(uris.FunctionUri(project="shop", name="train"), **changes)
