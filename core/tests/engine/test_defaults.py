"""The settings of a backend are merged under what functions say, and enter no version."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.documents.converters import dump, structure
from framework.engine.defaults import under
from framework.engine.map_plan import plan_map
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.engine.session import Session
from framework.errors import DocumentError
from framework.models import Function, FunctionSpec
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind
from framework.runtimes import Runtime


def _some(**parts):
    """A mapping of some of these."""
    return st.fixed_dictionaries({}, optional=parts)


names = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "2"]), max_size=2)
# Parts of a spec that somebody may write, many of them at their defaults.
SPECS = _some(
    environment=_some(
        image=st.sampled_from(["", "x:1"]), env=names, secrets=names, requirements=st.lists(st.just("r"))
    ),
    resources=_some(requests=names, limits=names),
    placement=_some(
        node_selector=names,
        tolerations=st.lists(st.fixed_dictionaries({"key": st.sampled_from("ab")}), max_size=2),
        preemption=st.sampled_from([None, "none", "allow", "prevent"]),
        priority_class=st.sampled_from(["", "high"]),
    ),
    scale=_some(replicas=st.sampled_from([None, 1, 3])),
    life=_some(ttl=st.sampled_from([None, 60.0]), timeouts=_some(run=st.sampled_from([None, 5.0]))),
    options=_some(x=st.sampled_from([None, 1])),
)


def _leaves(document, path=()):
    found = {}
    for key, value in document.items():
        found |= _leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key): value}
    return found


def _at(document, path):
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _whole(spec):
    """A spec as a document with every field."""
    import attrs

    return attrs.asdict(spec)


@given(SPECS, SPECS)
def test_what_was_written_stands_and_the_rest_is_the_backend_s(written, defaults):
    function = Function(kind="far", spec=structure(copy.deepcopy(written), FunctionSpec))
    before = dump(function.spec)
    found = _whole(under(defaults, function, written).spec)
    assert dump(function.spec) == before
    own = _leaves(written)
    for path, value in own.items():
        kept = _at(found, path)
        assert isinstance(kept, dict) if value == {} else kept == value
    for path, value in _leaves(defaults).items():
        is_said = any(path[: len(said)] == said and own[said] != {} for said in own)
        if value != {} and not is_said and not any(said[: len(path)] == path for said in own):
            assert _at(found, path) == value


def test_no_defaults_change_nothing_and_wrong_ones_are_named():
    function = Function(kind="far")
    assert under({}, function) is function
    with pytest.raises(DocumentError, match=r"\$\.runtime\.far\.defaults\.plcement"):
        under({"plcement": {}}, function)


class FarRuntime(Runtime):
    """Has defaults of all kinds, and is asked about nothing else."""

    @property
    def defaults(self):
        return {
            "environment": {"env": {"REGION": "north", "STAGE": "test"}, "requirements": ["numpy"]},
            "life": {"timeouts": {"run": 60.0}, "retry": {"attempts": 3}},
            "scale": {"replicas": 4},
        }

    def validate(self, function):
        assert function.spec.environment.env["REGION"] == "north"

    def render(self, submission): ...

    def submit(self, submission): ...

    def cancel(self, handle, grace): ...

    def observe(self, handle): ...

    def follow(self, handle, cursor, *, wait=True): ...

    def cleanup(self, handle): ...


class _Plugin:
    @hookimpl
    def framework_runtimes(self):
        return [RuntimeKind(name="far", summary="far", runtime=f"{__name__}:FarRuntime")]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    plugins = Plugins(["db-sql", "storage-file"])
    plugins.register(_Plugin(), "far")
    session = Session(plugins=plugins)
    session._runtimes["far"] = FarRuntime(None)
    yield session
    if "database" in vars(session):
        session.database.close()


@pytest.fixture
def request_of(tmp_path):
    (tmp_path / "job.py").write_text("def main(n=1): return n")

    def make(**over):
        return RunRequest(target=str(tmp_path / "job.py"), handler="main", folder=str(tmp_path), **over)

    return make


def test_a_plan_has_them_everywhere_but_in_the_version(session, request_of):
    overrides = {"environment": {"env": {"STAGE": "real"}}, "scale": {"replicas": None}}
    planned = plan(session, request_of(kind="far", overrides=overrides))
    document, sent = planned.submission.document, planned.submission.function
    assert document["env"] == {"REGION": "north", "STAGE": "real"}
    assert document["requirements"] == ["numpy"]
    assert document["timeouts"]["run"] == 60.0
    assert planned.run["spec"]["retry"]["attempts"] == 3
    assert sent.spec.scale.replicas is None  # which was said, and is what would hold anyway
    assert planned.function.spec.environment.env == {"STAGE": "real"}
    bare = plan(session, request_of(kind="far", overrides={"environment": {"env": {"STAGE": "real"}}}))
    assert bare.submission.function.spec.scale.replicas == 4
    assert bare.function.status.version == planned.function.status.version


def test_the_items_of_a_map_have_them(session, request_of):
    planned = plan_map(session, request_of(kind="far"), [{"n": 1}, {"n": 2}])
    item = planned.items[1]
    assert item.function.spec.scale.replicas == 4
    assert item.document["env"]["REGION"] == "north"
    assert item.document["record"]["spec"]["retry"]["attempts"] == 3
