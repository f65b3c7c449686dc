"""``import framework`` in an image that has nothing, or everything, or silly versions of everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from framework_run.frames import Decoder

FULL = ["attrs", "attr", "cattrs", "click", "pluggy", "yaml", "peewee", "packaging", "platformdirs", "tomli"]

USER = """
from __future__ import annotations

import pickle

import framework as fw


@fw.function
def train(depth: int, context: fw.Context) -> int:
    assert fw.context() is context
    context.log_result("depth", depth)
    return 2 * depth


@fw.function(kind="job", requirements=["numpy"])
def with_options() -> list[str]:
    assert pickle.loads(pickle.dumps(with_options)) is with_options
    return sorted(with_options.framework_options)


def missing() -> str:
    try:
        fw.runs
    except AttributeError as error:
        return str(error)


def origin() -> str:
    return fw.__file__


def hopeless() -> None:
    raise fw.NonRetryable("no use")
"""


def bare(python, archive, folder, handler, **parts):
    """Run by the base interpreter, which has nothing installed but what `environment` names."""
    (folder / "job.py").write_text(USER)
    code = {"folder": str(folder), "module": "job", "file": "job.py", "handler": handler}
    document = {"version": 1, "run": {"uid": "1"}, "code": code, "carrier": {"type": "frames"}, "token": "t", **parts}
    environment = {"PATH": os.environ["PATH"], "PYTHONNOUSERSITE": "1", **parts.pop("environment", {})}
    document.pop("environment", None)
    ended = subprocess.run(
        [python, "-I", archive, "-"],
        input=json.dumps(document).encode(),
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    events = [item for item in Decoder("t").feed(ended.stdout) if isinstance(item, dict)]
    results = [event["data"]["values"] for event in events if event["kind"] == "result"]
    return {key: value for values in results for key, value in values.items()}, events[-1]["data"]


@pytest.fixture(scope="module")
def python():
    """An interpreter without a virtual environment around it."""
    return f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"


def test_the_decorator_and_the_context_are_there_without_an_installation(python, archive, tmp_path):
    results, end = bare(python, archive, tmp_path, "train", params={"depth": 3})
    assert (results, end["state"]) == ({"depth": 3, "return": 6}, "completed")
    assert bare(python, archive, tmp_path, "with_options")[0] == {"return": ["kind", "requirements"]}


def test_what_is_not_to_be_repeated_can_be_said_without_an_installation(python, archive, tmp_path):
    _, end = bare(python, archive, tmp_path, "hopeless")
    assert (end["cause"], end["retryable"], end["message"]) == ("UserError", False, "NonRetryable: no use")


def test_what_only_an_installation_has_says_what_to_install(python, archive, tmp_path):
    results, _ = bare(python, archive, tmp_path, "missing")
    assert "runs" in results["return"]
    assert "pip install framework-core" in results["return"]


def test_an_installed_framework_comes_first(python, archive, tmp_path):
    installed = tmp_path / "installed"
    (installed / "framework").mkdir(parents=True)
    (installed / "framework" / "__init__.py").write_text(
        "from framework_run.context import Context\nfrom framework_run.current import get as context\n\n"
        "def function(f=None, **_):\n    return f or function\n"
    )
    environment = {"PYTHONPATH": str(installed)}
    results, _ = bare(python, archive, tmp_path, "origin", environment=environment)
    assert results == {"return": str(installed / "framework" / "__init__.py")}
    results, _ = bare(python, archive, tmp_path, "train", params={"depth": 3}, environment=environment)
    assert results == {"depth": 3, "return": 6}


def test_the_users_own_versions_of_our_dependencies_are_the_ones_imported(run):
    for name in FULL:
        (run.folder / f"{name}.py").write_text(f"__version__ = '0.0.0-silly-{name}'\n")
    ran = run(
        f"""
        import importlib
        import sys

        before = sorted(set(sys.modules) & set({FULL!r}))

        def main():
            from framework_run.current import get
            context = get()
            context.log_metric("loss", 0.5)
            context.log_artifact("object", {{"a": {{1}}}})
            versions = [importlib.import_module(name).__version__ for name in {FULL!r}]
            return before, versions
        """
    )
    assert ran.end["state"] == "completed", ran.log("stderr")
    assert ran.results == {"return": [[], [f"0.0.0-silly-{name}" for name in FULL]]}
