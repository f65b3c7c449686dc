"""The main job, by the command lines that README.md gives to its readers, on a copy of the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SHELL_BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("main-job")]


class Reader:
    """Somebody who types what README.md says, in a fresh checkout and with a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in listed.split("\0"):
            if name and (ROOT / name).is_file():
                target = self.checkout / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FRAMEWORK_", "VIRTUAL_ENV"))}
        path = f"{self.checkout / '.venv/bin'}{os.pathsep}{kept['PATH']}"
        self.environment = {**kept, "FRAMEWORK_HOME": str(folder / "home"), "PATH": path}

    def types(self, line: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            ["bash", "-c", line],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def reads(self, line: str) -> object:
        return json.loads(self.types(line).stdout)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def first(reader: Reader) -> subprocess.CompletedProcess[str]:
    """What README.md's first command says."""
    return reader.types(SHELL_BLOCKS[0].strip())


def test_the_two_commands_are_single_lines() -> None:
    assert SHELL_BLOCKS[0].count("\n") == 1
    assert SHELL_BLOCKS[0].startswith("python3 -m venv .venv && ")
    assert SHELL_BLOCKS[-1].count("\n") == 1
    assert SHELL_BLOCKS[-1].startswith("python3 -m venv .venv-test && ")


def test_the_first_command_trains_and_shows_the_run(first: subprocess.CompletedProcess[str], reader: Reader) -> None:
    assert re.search(r"step 10: +50 trees, accuracy 0\.9", first.stdout)
    run = reader.reads("framework runs list --json")[0]
    assert run["metadata"]["uid"] in first.stdout
    assert run["status"]["state"] == "completed"
    assert run["spec"]["params"]["depth"] == 4
    assert run["status"]["results"]["accuracy"] > 0.9
    assert set(run["status"]["artifacts"]) >= {"model", "confusion", "predictions"}
    assert run["status"]["peak"]["memory"] > 50 * 1024 * 1024


@pytest.mark.usefixtures("first")
def test_every_step_left_a_point_of_each_metric(reader: Reader) -> None:
    source = (
        "import framework as fw; run = fw.runs()[0]; print(*sorted((key, value) for key, value in run.metrics.items()))"
    )
    assert "accuracy" in reader.types(f'python -c "{source}"').stdout


@pytest.mark.usefixtures("first")
def test_the_story_goes_on_as_told(reader: Reader) -> None:
    lines = SHELL_BLOCKS[1].splitlines()
    assert len(lines) == 5
    ran, compared, listed, history, artifacts = (reader.types(line).stdout for line in lines)
    assert "accuracy 0." in ran
    assert re.search(r"params\.depth \* +[14] +[14]", compared)
    assert "results.accuracy" in compared
    assert "train" in listed
    assert len(re.findall(r"sha256:[0-9a-f]{12}", history)) == 1  # two runs, one and the same version
    assert {"model", "confusion", "predictions"} <= set(re.findall(r"^ *(\w+)", artifacts, re.MULTILINE))


@pytest.mark.usefixtures("first")
def test_the_artifacts_can_be_fetched_and_are_what_they_say(reader: Reader) -> None:
    reader.types("framework artifacts get confusion -o plot.png && framework artifacts get predictions -o table.csv")
    assert (reader.checkout / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert (reader.checkout / "table.csv").read_text().splitlines()[0] == "label,predicted"
    assert (
        len((reader.checkout / "table.csv").read_text().splitlines()) == 451
    )  # a quarter of 1,797 images, and the heading
