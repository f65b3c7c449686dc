"""TLS between client, scheduler, workers and handlers, with certificates that are made for the tests."""

from __future__ import annotations

import time

import pytest
from distributed.security import Security as DaskSecurity

from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.request import RunRequest
from framework.errors import BackendError, UsageError
from framework.models import Function, FunctionMetadata
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_dask.providers.local import LocalProvider
from framework_runtime_dask.runtime import DaskRuntime

CODE = """
import framework as fw

def main(context: fw.Context, n: int):
    print("number", n)
    client = context.dask_client
    return [client.scheduler.address.partition(":")[0], client.submit(pow, n, 2).result()]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Certificates of two authorities that do not know each other."""
    found = []
    for name in ("ours", "theirs"):
        folder = tmp_path_factory.mktemp(name)
        made = DaskSecurity.temporary()
        contents = {"ca_file": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
        for part, text in contents.items():
            (folder / part).write_text(text)
        found.append({part: str(folder / part) for part in contents})
    return found


@pytest.fixture(scope="module")
def scheduler(files, by_hand):
    """The address of a scheduler with one worker, both started by hand, that speak TLS alone."""
    ours = files[0]
    secure = ["--tls-ca-file", ours["ca_file"], "--tls-cert", ours["cert"], "--tls-key", ours["key"]]
    return by_hand(["--nthreads", "2"], host="tls://127.0.0.1", secure=secure)[0]


def of(home, **settings):
    return DaskRuntime(RuntimeContext(home=str(home), settings=settings))


def ran(runtime):
    planned = submission("dask", CODE, params={"n": 3})
    live = Live(runtime, planned, runtime.submit(planned))
    ended = live.finish()
    assert ended.state == "completed", ended
    runtime.cleanup(live.handle)
    return ended.results["return"]


def test_a_scheduler_that_speaks_tls_alone(tmp_path, scheduler, files):
    runtime = of(tmp_path, provider="address", address=scheduler, security=files[0])
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    deadline = time.monotonic() + 60
    while not (found := runtime.preflight(function)[0]).ok or found.message.startswith("0 "):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert ran(runtime) == ["tls", 9]
    stranger = of(tmp_path, provider="address", address=scheduler, security=files[1])
    with pytest.raises(BackendError, match="does not answer"):
        stranger.submit(submission("dask", CODE, params={"n": 3}))


@pytest.fixture
def session_home(tmp_path):
    return tmp_path / "home"


def test_a_limited_map_at_a_scheduler_that_speaks_tls_alone(session, tmp_path, scheduler, files):
    (tmp_path / "job.py").write_text("def main(n): return n * n")
    options = {"provider": "address", "address": scheduler, "security": files[0]}
    target, over = str(tmp_path / "job.py"), {"options": options}
    asked = RunRequest(target=target, handler="main", kind="dask", overrides=over)
    run = execute_map(session, plan_map(session, asked, [{"n": n} for n in range(5)], 2))
    assert run["status"]["results"] == {"completed": 5, "failed": 0}, run["status"]


@pytest.mark.slow
def test_a_cluster_of_this_machine_with_certificates_of_its_own(tmp_path):
    runtime = of(tmp_path, security={"temporary": True})
    planned = submission("dask", CODE, params={"n": 3})
    planned.function.spec.scale.replicas = 1
    try:
        live = Live(runtime, planned, runtime.submit(planned))
        ended = live.finish()
        assert ended.results == {"return": ["tls", 9]}, ended
        place = live.handle["place"]
        assert place["address"].startswith("tls://")
        keys = sorted((tmp_path / "dask" / "clusters").glob("*/*.pem"))
        assert len(keys) == 3
        assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
        assert "PRIVATE KEY" not in str(live.handle)
        runtime.cleanup(live.handle)
    finally:
        for each in LocalProvider(tmp_path).clusters():
            LocalProvider(tmp_path).close(each)
    assert not list((tmp_path / "dask" / "clusters").glob("*/*.pem"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "address", "address": "tls://h:1"}, "names no certificates"),
        ({"security": {"ca_file": "/ca"}}, "has no cert and no key"),
        ({"security": {"ca_file": "/ca", "cert": "/cert", "key": "/key"}}, "ca_file is '/ca', which is not there"),
        ({"security": {"secret": "it"}}, "for the provider 'operator'"),
        ({"provider": "address", "address": "tls://h:1", "security": {"temporary": True}}, "for the provider 'local'"),
    ],
)
def test_what_does_not_fit_is_refused_offline(tmp_path, options, said):
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = options
    with pytest.raises(UsageError, match=said):
        of(tmp_path).validate(function)


def test_certificates_and_an_address_without_tls_do_not_fit(tmp_path, files):
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = {"provider": "address", "address": "tcp://h:1", "security": files[0]}
    with pytest.raises(UsageError, match=r"and options\.security is set"):
        of(tmp_path).validate(function)
