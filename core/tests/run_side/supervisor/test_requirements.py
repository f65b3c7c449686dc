"""Runs with requirements: an environment is made, and the code goes on in its interpreter."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    """A requirement that needs no index: a wheel of one module, by its path."""
    files = {
        "needed_thing.py": b"NAME = 'the needed thing'\n",
        "needed_thing-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: needed-thing\nVersion: 1.0\n",
        "needed_thing-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = tmp_path / "needed_thing-1.0-py3-none-any.whl"
    record = ""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(data)}\n"
        archive.writestr("needed_thing-1.0.dist-info/RECORD", f"{record}needed_thing-1.0.dist-info/RECORD,,\n")
    return f"needed-thing @ file://{path}"


def test_a_handler_has_its_requirements(handler: Start, wheel: str, tmp_path: Path) -> None:
    source = """
        import sys
        import framework as fw
        import needed_thing
        def main(depth: int):
            fw.context().log_result("prefix", sys.prefix)
            print("hello")
            return needed_thing.NAME
    """
    envs = tmp_path / "envs"
    run = handler(source, requirements=[wheel], environments=str(envs), params={"depth": "3"}, raw=["depth"])
    assert run.end["state"] == "completed", run.log("stderr")
    results = {key: value for data in run.of("result") for key, value in data["values"].items()}
    assert results["return"] == "the needed thing"
    assert results["prefix"].startswith(str(envs))
    assert run.log() == "hello\n"
    assert "making an environment with needed-thing" in run.log("system")
    assert run.events[0]["kind"] == "state"


def test_a_script_has_its_requirements_and_the_programs_in_them(script: Start, wheel: str, tmp_path: Path) -> None:
    source = """
        import shutil, sys
        import framework as fw
        import needed_thing
        fw.context().log_result("name", needed_thing.NAME)
        print(shutil.which("python") == sys.executable)
    """
    run = script(source, requirements=[wheel], environments=str(tmp_path / "envs"))
    assert run.end["state"] == "completed", run.log("stderr")
    assert run.of("result") == [{"values": {"name": "the needed thing"}}]
    assert run.log() == "True\n"


def test_a_handler_in_an_environment_dies_with_its_supervisor(
    handler: Start, wheel: str, tmp_path: Path, is_gone: Callable[[int], bool]
) -> None:
    source = "import time\ndef main():\n    print('working', flush=True)\n    time.sleep(60)\n"
    run = handler(source, requirements=[wheel], environments=str(tmp_path / "envs"))
    run.says("working")
    pid = run.handler
    run.process.kill()
    run.until(lambda: is_gone(pid))


def test_requirements_that_cannot_be_installed_are_bad_input(either: Start, tmp_path: Path) -> None:
    run = either(
        "def main():\n    print('began')\n",
        requirements=[f"needed-thing @ file://{tmp_path}/no-such.whl"],
        environments=str(tmp_path / "envs"),
    )
    assert (run.end["state"], run.end["cause"]) == ("failed", "BadInput")
    assert run.end["message"].startswith("the requirements cannot be installed")
    assert run.log() == ""
