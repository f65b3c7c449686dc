"""Preemption is a merge that never drops what the user wrote."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from framework.models.function import Placement
from framework.pods.parts import security
from framework.pods.placement import SpotNodes, scheduling

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
names = st.sampled_from(["zone", "disk", "spot", "pool"])
expressions = st.builds(
    lambda key, operator, values: {"key": key, "operator": operator, "values": values},
    names,
    st.sampled_from(["In", "NotIn"]),
    st.lists(st.sampled_from(["a", "b", "true"]), min_size=1, max_size=2, unique=True),
)
terms = st.one_of(
    st.just({}), st.builds(lambda many: {"matchExpressions": many}, st.lists(expressions, min_size=1, max_size=3))
)
affinities = st.one_of(
    st.just({}),
    st.builds(
        lambda many, other: {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": many}}, **other},
        st.lists(terms, min_size=1, max_size=3),
        st.sampled_from([{}, {"podAntiAffinity": {"x": 1}}]),
    ),
)
tolerations = st.lists(st.builds(lambda key: {"key": key, "operator": "Exists"}, names), max_size=3)
placements = st.builds(
    Placement,
    node_selector=st.dictionaries(names, st.just("a"), max_size=2),
    affinity=affinities,
    tolerations=tolerations,
    preemption=st.sampled_from([None, "none", "allow", "constrain", "prevent"]),
)
clusters = st.builds(
    SpotNodes,
    labels=st.dictionaries(names, st.sampled_from(["a", "true"]), max_size=2),
    tolerations=tolerations,
)
nodes = st.dictionaries(names, st.sampled_from(["a", "b", "true"]))


def _matches(term, node):
    """As the scheduler has it: a term without expressions matches nothing."""
    found = term.get("matchExpressions", [])
    return bool(found) and all((node.get(e["key"]) in e["values"]) == (e["operator"] == "In") for e in found)


def _allowed(affinity, node):
    required = affinity.get("nodeAffinity", {}).get(REQUIRED)
    return required is None or any(_matches(term, node) for term in required["nodeSelectorTerms"])


def _in_order(part, whole):
    rest = iter(whole)
    return all(any(item == other for other in rest) for item in part)


@given(placements, clusters)
def test_all_that_was_written_is_there(placement, cluster):
    before = deepcopy(placement)
    found = scheduling(placement, cluster)
    assert placement == before
    assert found["nodeSelector"].items() >= placement.node_selector.items()
    assert _in_order(placement.tolerations, found.get("tolerations", []))
    written = placement.affinity.get("nodeAffinity", {}).get(REQUIRED, {}).get("nodeSelectorTerms", [])
    rendered = found.get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED, {}).get("nodeSelectorTerms", [])
    for term in written:
        wanted = term.get("matchExpressions", [])
        assert any(each.get("matchExpressions", [])[: len(wanted)] == wanted for each in rendered)
    assert {key for key in placement.affinity if key != "nodeAffinity"} <= set(found.get("affinity", {}))


@given(placements, clusters, nodes)
def test_a_node_is_allowed_when_it_was_and_the_mode_agrees(placement, cluster, node):
    is_spot = any(node.get(name) == value for name, value in cluster.labels.items())
    expected = _allowed(placement.affinity, node)
    if placement.preemption == "constrain" and cluster.labels:
        expected = expected and is_spot
    elif placement.preemption == "prevent":
        expected = expected and not is_spot
    assert _allowed(scheduling(placement, cluster).get("affinity", {}), node) == expected


@given(placements, clusters)
def test_tolerations_of_spot_nodes_are_added_once(placement, cluster):
    found = scheduling(placement, cluster).get("tolerations", [])
    added = found[len(placement.tolerations) :]
    if placement.preemption in ("allow", "constrain"):
        assert all(each in found for each in cluster.tolerations)
    else:
        assert added == []
    assert all(each not in placement.tolerations for each in added)
    assert all(first is not second for first, second in pairwise(added))


def test_each_field_of_a_security_context_goes_where_it_belongs():
    context = {"runAsUser": 1000, "fsGroup": 2000, "readOnlyRootFilesystem": True}
    of_pod, of_container = security(Placement(security_context=context))
    assert of_pod == {"runAsUser": 1000, "fsGroup": 2000}
    assert of_container == {"readOnlyRootFilesystem": True}
