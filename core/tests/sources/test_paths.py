from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from framework.documents.identity import version_of
from framework.errors import SourceError
from framework.sources import from_command, from_path

Plant = Callable[..., Path]


def test_a_file_with_its_handler_behind_a_colon(plant: Plant) -> None:
    folder = plant({"train.py": 'def train(depth: int = 2):\n    """Train it."""\ndef other(): ...\n'})
    loaded = from_path(f"{folder}/train.py:train")
    code = loaded.function.spec.code
    assert (code.type, code.module, code.handler, code.command) == ("file", "train", "train", [])
    assert code.path == str(folder / "train.py")
    assert list(code.files) == ["train.py"]
    assert loaded.root == folder
    assert loaded.files == {"train.py": folder / "train.py"}
    assert (loaded.function.metadata.name, loaded.function.metadata.description) == ("train", "Train it.")
    assert [point.name for point in loaded.function.status.entry_points] == ["train", "other"]


@pytest.mark.parametrize(
    ("source", "handler"),
    [
        ("def only(): ...\ndef _private(): ...\n", "only"),
        ("def main(): ...\ndef other(): ...\n", "main"),
        ("def handler(): ...\ndef other(): ...\n", "handler"),
        ("import sys\nprint(sys.argv)\n", ""),
        ("def a(): ...\ndef b(): ...\nif __name__ == '__main__':\n    a()\n", ""),
    ],
)
def test_the_handler_is_chosen_where_nobody_names_it(plant: Plant, source: str, handler: str) -> None:
    code = from_path(plant({"job.py": source}) / "job.py").function.spec.code
    assert code.handler == handler
    assert code.command == ([] if handler else ["{python}", "{code}/job.py"])


def test_several_functions_and_none_meant_is_an_error_that_lists_them(plant: Plant) -> None:
    folder = plant({"job.py": "def fit(): ...\ndef test(): ...\n"})
    with pytest.raises(SourceError, match=r"2 functions, .*: fit, test") as caught:
        from_path(folder / "job.py")
    assert "job.py:fit" in caught.value.advice


def test_arguments_make_a_script_of_a_file(plant: Plant) -> None:
    folder = plant({"job.py": "def fit(): ...\n"})
    loaded = from_path(folder / "job.py", command_args=["--epochs", "3"])
    assert loaded.function.spec.code.command == ["{python}", "{code}/job.py"]
    assert loaded.args == ["--epochs", "3"]
    assert loaded.function.metadata.name == "job"
    with pytest.raises(SourceError, match="takes no arguments such as '--epochs'"):
        from_path(f"{folder}/job.py:fit", command_args=["--epochs"])


@pytest.mark.parametrize(
    ("target", "message", "advice"),
    [
        ("trian.py", "no file or folder .*trian.py", "train.py"),
        ("train.py:trian", "no function 'trian'", "train.py:train"),
        ("train.py:nothing_like_it", "no function", "It has train"),
        ("broken.py", "broken.py:1:7: ", "Mend"),
        ("train.sh", "no Python file", "framework run -- "),
        ("train.yaml", "no Python file", "framework function import "),
        ("nowhere/train.py", "no file or folder", "There is no folder"),
    ],
)
def test_what_is_wrong_with_a_target_is_said(plant: Plant, target: str, message: str, advice: str) -> None:
    folder = plant({"train.py": "def train(): ...\n", "broken.py": "def f(:\n", "train.sh": "echo\n", "train.yaml": ""})
    with pytest.raises(SourceError, match=message) as caught:
        from_path(f"{folder}/{target}")
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    "source",
    [
        "from other import train\n",
        "from other import *\n",
        "train = wrap(_train)\n",
        "class train:\n    pass\n",
        "def _x(): ...\ntrain: object = _x\n",
    ],
)
def test_a_handler_may_be_bound_in_another_way_than_by_def(plant: Plant, source: str) -> None:
    assert from_path(plant({"a.py": source}) / "a.py", handler="train").function.spec.code.handler == "train"


def test_a_method_is_looked_for_in_its_class(plant: Plant) -> None:
    folder = plant({"a.py": "class Model:\n    @staticmethod\n    def fit(): ...\n"})
    assert from_path(folder / "a.py", handler="Model.fit").function.spec.code.handler == "Model.fit"
    with pytest.raises(SourceError, match=r"no function 'Model\.fti'"):
        from_path(folder / "a.py", handler="Model.fti")


def test_a_file_takes_along_what_it_imports_of_its_folder(plant: Plant) -> None:
    folder = plant(
        {
            "train.py": "import json, util\nfrom pkg import deep\ndef train():\n    import lazy\n",
            "util.py": "import second\n",
            "second.py": "import train\n",
            "lazy.py": "",
            "unused.py": "",
            "pkg/__init__.py": "",
            "pkg/deep.py": "from . import sibling\nfrom .below.leaf import x\n",
            "pkg/sibling.py": "",
            "pkg/unused.py": "",
            "pkg/below/leaf.py": "",
            "broken.py": "",
        }
    )
    assert list(from_path(folder / "train.py").function.spec.code.files) == [
        "lazy.py",
        "pkg/__init__.py",
        "pkg/below/leaf.py",
        "pkg/deep.py",
        "pkg/sibling.py",
        "second.py",
        "train.py",
        "util.py",
    ]


def test_a_file_with_relative_imports_is_a_module_of_its_package(plant: Plant) -> None:
    folder = plant({"pkg/__init__.py": "", "pkg/train.py": "from . import util\ndef train(): ...\n", "pkg/util.py": ""})
    loaded = from_path(folder / "pkg/train.py")
    assert loaded.function.spec.code.module == "pkg.train"
    assert loaded.root == folder
    assert list(loaded.function.spec.code.files) == ["pkg/__init__.py", "pkg/train.py", "pkg/util.py"]


@pytest.mark.parametrize("target", ["work:pkg.mod.run", "work:pkg.mod:run"])
def test_a_folder_is_taken_whole(plant: Plant, target: str) -> None:
    folder = plant({"pkg/mod.py": "def run(a: int): ...\n", "data.csv": "1", "__pycache__/x.pyc": ""})
    loaded = from_path(folder.parent / target)
    code = loaded.function.spec.code
    assert (code.type, code.module, code.handler) == ("folder", "pkg.mod", "run")
    assert list(code.files) == ["data.csv", "pkg/mod.py"]
    assert loaded.function.status.entry_points[0].parameters[0].name == "a"


def test_a_folder_needs_a_handler_and_the_error_shows_one(plant: Plant) -> None:
    folder = plant({"job.py": "def fit(): ...\n"})
    with pytest.raises(SourceError) as caught:
        from_path(folder)
    assert "work:job.fit" in caught.value.advice
    with pytest.raises(SourceError, match=r"no module for 'jib\.fit'") as caught:
        from_path(folder, handler="jib.fit")
    assert "'job'" in caught.value.advice


def test_requirements_come_from_the_script_metadata(plant: Plant) -> None:
    text = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["rich"]\n# ///\ndef f(): ...\n'
    environment = from_path(plant({"a.py": text}) / "a.py").function.spec.environment
    assert (environment.requirements, environment.python) == (["rich"], ">=3.11")


def test_the_encoding_that_a_file_declares_is_honoured(plant: Plant) -> None:
    folder = plant({"a.py": ""})
    (folder / "a.py").write_bytes("# -*- coding: latin-1 -*-\ndef f(a='größe'): ...\n".encode("latin-1"))
    point = from_path(folder / "a.py").function.status.entry_points[0]
    assert point.parameters[0].default == "'größe'"
    (folder / "b.py").write_bytes("def f(a='größe'): ...\n".encode("latin-1"))
    with pytest.raises(SourceError, match="no Python source"):
        from_path(folder / "b.py")


def test_the_same_content_has_the_same_version_in_every_place(plant: Plant) -> None:
    files = {"a.py": "import b\ndef f(): ...\n", "b.py": ""}
    one, two = plant(files, "one"), plant(files, "two")
    assert version_of(from_path(one / "a.py").function) == version_of(from_path(two / "a.py").function)
    (two / "b.py").write_text("x = 1\n")
    assert version_of(from_path(one / "a.py").function) != version_of(from_path(two / "a.py").function)


def test_the_archive_is_the_same_bytes_for_the_same_content(plant: Plant) -> None:
    files = {"a.py": "import b\ndef f(): ...\n", "b.py": "x = 1\n"}
    one, two = plant(files, "one"), plant(files, "two")
    os.utime(two / "a.py", (1, 1))
    archive = from_path(one / "a.py").archive()
    assert archive == from_path(two / "a.py").archive()
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        assert {name: content.read(name).decode() for name in content.namelist()} == files


def test_a_program_stays_one_in_the_archive(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plant({"run.sh": "echo\n"})
    (folder / "run.sh").chmod(0o755)
    monkeypatch.chdir(folder)
    with zipfile.ZipFile(io.BytesIO(from_command(["./run.sh"]).archive())) as content:
        assert content.getinfo("run.sh").external_attr >> 16 & 0o777 == 0o755


def test_a_file_that_changes_between_digest_and_archive_is_refused(plant: Plant) -> None:
    folder = plant({"a.py": "def f(): ...\n"})
    loaded = from_path(folder / "a.py")
    (folder / "a.py").write_text("def f(): return 1\n")
    with pytest.raises(SourceError, match=r"'a\.py' was changed"):
        loaded.archive()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["make", "train"], (["make", "train"], [], [])),
        (["./run.sh", "data.csv"], (["{code}/run.sh"], ["data.csv"], ["run.sh"])),
        (["bash", "-x", "run.sh", "data.csv"], (["bash", "-x", "{code}/run.sh"], ["data.csv"], ["run.sh"])),
        (["python", "job.py", "-e", "3"], (["python", "{code}/job.py"], ["-e", "3"], ["job.py", "util.py"])),
        (["data.csv"], (["data.csv"], [], [])),
    ],
)
def test_a_command_takes_along_its_program(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, words: list[str], wanted: tuple[list[str], ...]
) -> None:
    monkeypatch.chdir(plant({"run.sh": "echo\n", "job.py": "import util\n", "util.py": "", "data.csv": "1"}))
    loaded = from_command(words)
    code = loaded.function.spec.code
    assert code.type == "command"
    assert (code.command, loaded.args, list(code.files)) == wanted


def test_no_command_is_refused() -> None:
    with pytest.raises(SourceError, match="empty"):
        from_command([])


def test_a_file_is_read_without_the_heavy_libraries(plant: Plant) -> None:
    folder = plant({"a.py": "def f(): ...\n"})
    probe = (
        "import sys; from framework.sources import from_path; from framework.documents.identity import version_of;"
        f"version_of(from_path({str(folder / 'a.py')!r}).function);"
        "print(*{'cattrs', 'yaml', 'click', 'zipfile', 'pluggy', 'tomllib'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("\n", "")
