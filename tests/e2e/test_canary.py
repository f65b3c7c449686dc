"""A canary secret: after runs of every path, no byte under the home folder holds it, in any of the usual encodings."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # several processes, one after another
CANARY = "canary+in/the mine 4711"
SOURCE = """
import logging
import os
import sys
import time

import framework as fw


def work(context, word: str = "", number: int = 0) -> dict:
    secret = os.environ["TOKEN"]
    print("here it is:", secret)
    for letter in secret:
        sys.stdout.write(letter)
        sys.stdout.flush()
    context.logger.info("logged %s", secret)
    context.log_results({"secret": secret, "inner": {"list": [secret]}, secret: 1})
    context.log_metric(secret, 0.5)
    context.set_label("label", secret)
    context.progress(1, 2, unit=secret, text=secret)
    context.log_artifact("kept", b"nothing", metadata={"about": secret})
    with context.child_run(f"child of {secret}", {"param": secret}) as child:
        child.log_result("secret", secret)
    return {"length": len(secret), "same": word in ("", secret), "number": number}


def fail() -> None:
    secret = os.environ["TOKEN"]
    try:
        raise KeyError(secret)
    except KeyError as error:
        raise ValueError(f"no {secret}") from error


def leave() -> None:
    sys.exit("left with " + os.environ["TOKEN"])


@fw.function(environment={"secrets": {"TOKEN": "env:CANARY"}})
def inline(word: str = "") -> dict:
    print("inline", os.environ["TOKEN"], word)
    fw.context().log_result("secret", os.environ["TOKEN"])
    if word == "fail":
        raise ValueError(os.environ["TOKEN"])
    return {"secret": os.environ["TOKEN"]}


if __name__ == "__main__":
    run = inline.run({"word": os.environ["CANARY"]})
    assert "mine" not in run._repr_html_(), run._repr_html_()
    failed = inline.run({"word": "fail"}, check=False)
    assert (failed.state, failed.message) == ("failed", "ValueError: ***")
    assert "mine" not in str(failed.document)
    assert "TOKEN" not in os.environ
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def framework(tmp_path: Path, home: Path) -> Run:
    (tmp_path / "work.py").write_text(SOURCE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
    environment.update(FRAMEWORK_HOME=str(home), CANARY=CANARY, NUMBER="47114711")

    def call(*words: str, program: str = "framework", status: int = 0) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / program), *words]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=250
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended

    return call


def holding(home: Path, secret: str) -> list[str]:
    """The files below a folder that hold a secret, or a piece of its base64 digits."""
    forms = [secret, base64.b64encode(secret.encode()).decode()[:-4], secret.encode().hex(), secret.replace(" ", "%20")]
    found = [path for path in home.rglob("*") if path.is_file()]
    assert found
    return [str(path) for path in found if any(form.encode() in path.read_bytes() for form in forms)]


SECRET = ("--secret", "TOKEN=env:CANARY")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("run", "work.py:work", *SECRET), 0),
        (("run", "work.py:work", *SECRET, "--word", CANARY), 0),
        (("run", "work.py:work", *SECRET, "-p", f"word={CANARY}", "--name", CANARY[:6], "--label", f"a={CANARY}"), 0),
        (("run", "work.py:work", "--secret", "TOKEN=env:NUMBER", "--number", "47114711"), 0),
        (("run", "work.py:fail", *SECRET), 1),
        (("run", "work.py:leave", *SECRET), 1),
        (("run", "work.py:fail", *SECRET, "--json"), 1),
        (("run", "work.py:work", *SECRET, "--dry-run", "-p", f"word={CANARY}"), 0),
        (("run", *SECRET, "--", "sh", "-c", 'echo "$TOKEN"; echo "$TOKEN" >&2; exit 3'), 1),
        (("run", *SECRET, "--", "echo", CANARY), 0),
        (("run", *SECRET, "--env", f"OTHER={CANARY}", "--", "sh", "-c", 'test "$OTHER" = "$TOKEN"'), 0),
        (("run", "work.py:work", "--secret", "TOKEN=env:NOT_THERE"), 1),
        (("run", "work.py:work", *SECRET, "--number", f"no number {CANARY}"), 2),
    ],
)
def test_no_byte_of_a_run_in_a_process_holds_it(
    framework: Run, home: Path, words: tuple[str, ...], status: int
) -> None:
    ended = framework(*words, status=status)
    assert CANARY not in ended.stdout + ended.stderr
    assert holding(home, CANARY) == []
    assert holding(home, "47114711") == []
    listed = framework("runs", "list", "--json")
    assert CANARY not in listed.stdout + listed.stderr


VAULT = """
from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import SecretStore


@hookimpl
def framework_secret_stores():
    package = "framework_secrets_vault.runside"
    return [SecretStore(name="vault", target=f"{package}.store:Vault", runside=package)]
"""
STORE = """
import os

from framework_run.secrets import Store


class Vault(Store):
    def get(self, key):
        return os.environ["CANARY"]
"""


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin with a store of secrets, which is installed in a folder on the path."""
    site = tmp_path / "site"
    package, about = site / "framework_secrets_vault", site / "framework_secrets_vault-0.1.0.dist-info"
    (package / "runside").mkdir(parents=True)
    about.mkdir()
    for init in (package, package / "runside"):
        (init / "__init__.py").write_text("")
    (package / "plugin.py").write_text(VAULT)
    (package / "runside" / "store.py").write_text(STORE)
    lines = ["Metadata-Version: 2.3", "Name: framework-secrets-vault", "Version: 0.1.0"]
    (about / "METADATA").write_text("\n".join([*lines, "Requires-Dist: framework-core>=0.1,<0.2", ""]))
    (about / "entry_points.txt").write_text("[framework]\nsecrets-vault = framework_secrets_vault.plugin\n")
    monkeypatch.setenv("PYTHONPATH", str(site))


@pytest.mark.usefixtures("vault")
def test_no_byte_of_a_run_holds_the_secret_of_a_plugins_store(framework: Run, home: Path, tmp_path: Path) -> None:
    secret = ("--secret", "TOKEN=vault:app")
    (tmp_path / "items.jsonl").write_text(f'{{"word": "{CANARY}"}}\n')
    for words in (
        ("work.py:work", "--word", CANARY, "--label", f"a={CANARY}", "--env", f"OTHER={CANARY}"),
        ("work.py:work", "--map", "items.jsonl"),
    ):
        ended = framework("run", *words, *secret)
        assert CANARY not in ended.stdout + ended.stderr
    assert holding(home, CANARY) == []


def test_no_byte_of_an_inline_run_holds_it(framework: Run, home: Path) -> None:
    framework("work.py", program="python")
    assert holding(home, CANARY) == []


def test_the_submission_on_the_disk_holds_references_only(framework: Run, home: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = (
        f"import pathlib, time\ndef wait(word):\n    while not pathlib.Path({str(gate)!r}).exists(): time.sleep(.02)\n"
    )
    (tmp_path / "wait.py").write_text(source)
    uid = framework("run", "wait.py:wait", *SECRET, "-p", f"word={CANARY}", "--detach").stdout.strip()
    assert (home / "runs" / uid / "submission.json").exists()
    assert holding(home, CANARY) == []
    gate.touch()
    framework("logs", "-f", uid)
    assert holding(home, CANARY) == []


def test_no_byte_of_a_patch_holds_it(framework: Run, home: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.ini"
    settings.write_text("[service]\n")
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    for command in (["init", "-q"], ["add", "settings.ini"], ["commit", "-qm", "first"]):
        subprocess.run([*words, *command], check=True, capture_output=True)
    settings.write_text(f"[service]\nit is {CANARY}, and\nanother = line\n")
    framework("run", "work.py:work", *SECRET)
    assert holding(home, CANARY) == []
    patch = framework("runs", "patch", framework("runs", "list", "--json").stdout.partition('"uid": "')[2][:36]).stdout
    assert "another = line" in patch
    assert "it is ***, and" in patch


def test_no_byte_of_a_map_holds_it(framework: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(f'{{"word": "{CANARY}"}}\n{{"number": 7}}\n')
    ended = framework("run", "work.py:work", *SECRET, "--map", "items.jsonl", "--parallelism", "1")
    assert CANARY not in ended.stdout + ended.stderr
    assert holding(home, CANARY) == []
