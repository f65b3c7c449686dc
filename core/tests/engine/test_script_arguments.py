"""Scripts and commands from Python: what they are given is the run's, and a function refuses it."""

from __future__ import annotations

import pytest

import framework as fw
from framework.engine.session import current

SCRIPT = """
import sys

if __name__ == "__main__":
    print(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT", "FRAMEWORK_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    yield
    current().database.close()


@pytest.mark.parametrize("target", ["train.py", ["python3", "train.py"]])
def test_a_script_is_given_its_arguments_and_stays_the_same_version(target):
    train = fw.function(target)
    runs = [train.run(args=args) for args in (["--epochs", "3"], ("a b", ""))]
    assert [run.logs().strip() for run in runs] == ["['--epochs', '3']", "['a b', '']"]
    assert [run.document["spec"]["args"] for run in runs] == [["--epochs", "3"], ["a b", ""]]
    assert len({run.document["spec"]["function"] for run in runs}) == 1


def test_a_function_refuses_them_at_every_run():
    @fw.function
    def double(number: int = 1) -> int:
        return 2 * number

    for _ in range(2):
        with pytest.raises(fw.SourceError, match="the function 'double' takes no arguments such as '--epochs'") as said:
            double.run(args=["--epochs", "3"])
        assert 'params={"name": value}' in said.value.advice
        assert double.run().results == {"return": 2}  # from here on its plan is kept


def test_a_function_of_a_file_refuses_them(tmp_path):
    (tmp_path / "job.py").write_text("def double(number: int = 1) -> int:\n    return 2 * number\n")
    with pytest.raises(fw.SourceError, match="takes no arguments such as '3'"):
        fw.function("job.py:double").run(args=["3"])


@pytest.mark.parametrize("args", ["--epochs 3", ["--epochs", 3]])
def test_words_are_a_list_of_texts(args):
    with pytest.raises(fw.UsageError, match="are no list of texts"):
        fw.function("train.py").run(args=args)


@pytest.mark.parametrize("how", [{"inline": True}, {"pdb": True}])
def test_what_is_no_live_function_does_not_run_inline(how):
    with pytest.raises(fw.UsageError, match="only a function of this process runs in it"):
        fw.function("train.py").run(**how)
