"""A client that may do less than the doctor asks for: what it can still do, it does."""

from __future__ import annotations

import json
import time

import pytest
import yaml

ALL = ["create", "get", "list", "watch", "patch", "delete"]
PODS = {"apiGroups": [""], "resources": ["pods", "pods/log"]}
RULES = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ALL},
    {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ALL},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]},
]
LOOKS = ["get", "list", "watch"]
# Nobody may run a command in a pod. Who may not patch it either can only delete it.
CASES = {"patches": [*LOOKS, "patch", "delete"], "deletes": [*LOOKS, "delete"]}

STAYS = (
    "import signal, time\ndef main():\n signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
    " print('ready')\n while True: time.sleep(1)"
)


@pytest.fixture(params=CASES, ids=list(CASES))
def limited(request, kubectl, team, tmp_path, monkeypatch):
    """This process has the credentials of an account with few rights, in a namespace of its own."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "few", "namespace": team},
        "rules": [*RULES, {**PODS, "verbs": CASES[request.param]}],
    }
    kubectl("create", "-f", "-", stdin=json.dumps(role))
    kubectl("create", "serviceaccount", "few", "-n", team)
    kubectl("create", "rolebinding", "few", "--role=few", f"--serviceaccount={team}:few", "-n", team)
    token = kubectl("create", "token", "few", "-n", team).strip()
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--minify"))
    config["users"][0]["user"] = {"token": token}
    config["contexts"][0]["context"]["namespace"] = team
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def _until_it_is_over(live):
    deadline = time.monotonic() + 60
    while live.runtime.observe(live.handle).alive is not False:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_goes_when_it_is_asked_has_its_time(limited, start):
    code = (
        "import signal, sys, time\ndef main():\n signal.signal(signal.SIGTERM, lambda *_: asked.append(1))\n"
        " asked = []\n print('ready')\n while not asked: time.sleep(0.1)\n time.sleep(2)\n print('saved')\n sys.exit(1)"
    )
    live = start(code)
    live.printed("ready")
    live.runtime.cancel(live.handle, 20)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("aborted", "Aborted"), ran
    assert ran.log() == b"ready\nsaved\n"


def test_what_stays_is_killed(limited, start):
    live = start(STAYS, timeouts={"run": None, "grace": 3})
    live.printed("ready")
    asked = time.monotonic()
    live.runtime.cancel(live.handle, 3)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("aborted", "Aborted"), ran
    assert "was killed" in ran.status["message"]
    assert ran.log() == b"ready\nasked\n"
    assert time.monotonic() > asked + 2


def test_what_nobody_follows_is_aborted_as_well(limited, start):
    """Also where it cannot say so: it would take more time than whoever asks gives, who can only delete its pod."""
    live = start(STAYS, timeouts={"run": None, "grace": 6})
    live.printed("ready")
    other = live.another()
    live.runtime.cancel(live.handle, 1)
    _until_it_is_over(other)
    ran = other.finish()
    assert (ran.state, ran.cause) == ("aborted", "Aborted"), ran
    assert "before it began" not in ran.status["message"]
