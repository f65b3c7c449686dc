"""What is said where a cluster is not there, or refuses: the file, the address, the mend."""

from __future__ import annotations

import pytest

from framework.errors import BackendError
from framework_runtime_job.api import Api, Refused, Unreachable

CONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.fixture(autouse=True)
def _nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_a_configuration_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", __file__)  # of its import
    with pytest.raises(BackendError, match=r"KUBECONFIG is not set, and there is no ~/\.kube/config"):
        _ = Api().configuration
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    with pytest.raises(BackendError, match="KUBECONFIG names /no/such/file, which is not there") as raised:
        _ = Api().configuration
    assert "kubectl config get-contexts" in raised.value.advice


def test_a_context_that_is_not_there_is_named(monkeypatch, tmp_path):
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(BackendError, match="elsewhere"):
        _ = Api("elsewhere").configuration


def test_a_cluster_that_does_not_answer_is_said_without_the_client_s_own_words(monkeypatch, tmp_path):
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(Unreachable) as raised:
        Api().get("/version")
    assert raised.value.message.startswith("the cluster at http://127.0.0.1:9 does not answer: Failed to establish")


def test_a_namespace_that_is_not_there_has_its_mend():
    error = Refused(404, "NotFound", 'namespaces "team-b" not found')
    assert error.advice == "Create it (kubectl create namespace team-b), or name another: -o namespace=NAME."


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('pods is forbidden: User "me" cannot create resource "pods" in API group ""', "Ask for the permission"),
        ('jobs.batch "j" is forbidden: exceeded quota: q, requested: count/jobs.batch=1', "Ask for less"),
        ('pods "p" is forbidden: violates PodSecurity "restricted:latest"', "do not admit it"),
        ('admission webhook "policy" denied the request: no latest tags', "do not admit it"),
        ('pods "p" is forbidden: User "me" cannot get resource "pods"', "Ask for the permission"),
    ],
)
def test_a_refusal_has_the_mend_of_its_reason(said, advice):
    assert advice in Refused(403, "Forbidden", said).advice
