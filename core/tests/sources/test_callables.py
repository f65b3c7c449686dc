from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from framework.errors import SourceError
from framework.sources import from_callable

Plant = Callable[..., Path]

PRELUDE = """
import json, logging, math, os.path, re, xml.etree.ElementTree
from collections import Counter as Count
from functools import lru_cache
from pathlib import Path
from typing import Optional
import framework as fw
import beside
from beside import tool

LOG = logging.getLogger("job")
RATES = {"a": (1, 2.5, None), "b": {3, 1, 2}, "c": [b"x", float("inf")]}
WORD = re.compile("[a-z]+", re.I)
PLACE = Path("data") / "x.csv"
HANDLE = open(__file__)
ALIAS = None

class Base:
    factor = 2

class Model(Base):
    def go(self):
        return helper(3) * self.factor

@lru_cache(maxsize=None)
def cached(x):
    return math.sqrt(x)

def helper(x):
    return x + len(RATES)

ALIAS = helper

@fw.function
def train(depth: int = 4, *, rate: Optional[float] = None) -> dict:
    '''Train it.

    Args:
        depth: How deep.
    '''
    LOG.debug("%s", os.path.join("a", "b"))
    xml.etree.ElementTree.fromstring("<a/>")
    return {"model": Model().go(), "cached": cached(depth), "count": Count("aa")["a"], "word": bool(WORD.match("X")),
            "place": str(PLACE), "alias": ALIAS(1), "beside": beside.VALUE + tool()}

def uses_a_file():
    return HANDLE.read()

def uses_it_through_another():
    return uses_a_file()
"""

BESIDE = {
    "beside.py": "from further import MORE\nVALUE = 1\ndef tool():\n    return MORE\n",
    "further.py": "MORE = 10\n",
}


def _run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "job.py").write_text(PRELUDE + dedent(code))
    return subprocess.run([sys.executable, "job.py"], cwd=folder, check=False, capture_output=True, text=True)


def test_a_function_of_main_runs_elsewhere_from_what_is_sent(plant: Plant, tmp_path: Path) -> None:
    folder = plant(BESIDE)
    (tmp_path / "elsewhere").mkdir()
    ended = _run(
        folder,
        f"""
        from framework.sources import from_callable
        loaded = from_callable(train)
        for name, content in loaded.texts.items():
            Path({str(tmp_path / "elsewhere")!r}, name).write_bytes(content)
        point = loaded.function.status.entry_points[0]
        code = loaded.function.spec.code
        print(json.dumps([code.module, code.handler, sorted(code.files), point.parameters[0].doc]))
        """,
    )
    assert ended.stderr == ""
    module, handler, files, doc = json.loads(ended.stdout)
    assert (handler, doc) == ("train", "How deep.")
    assert files == ["beside.py", "function_train.py", "further.py"]
    text = (tmp_path / "elsewhere/function_train.py").read_text()
    assert "HANDLE" not in text
    assert "fw" not in text
    again = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, '.'); import {module}; print({module}.{handler}())",
        ],
        cwd=tmp_path / "elsewhere",
        check=False,
        capture_output=True,
        text=True,
    )
    assert again.stderr == ""
    assert eval(again.stdout) == {
        "model": 12,
        "cached": 2.0,
        "count": 2,
        "word": True,
        "place": "data/x.csv",
        "alias": 4,
        "beside": 11,
    }


def test_what_is_sent_is_the_same_in_every_process(plant: Plant) -> None:
    folder = plant(BESIDE)
    code = """
    from framework.sources import from_callable
    from framework.documents.identity import version_of
    print(version_of(from_callable(train).function))
    """
    assert len({_run(folder, code).stdout for _ in range(3)}) == 1


@pytest.mark.parametrize("name", ["uses_a_file", "uses_it_through_another"])
def test_what_cannot_be_sent_is_refused_by_its_name(plant: Plant, name: str) -> None:
    ended = _run(
        plant(BESIDE),
        f"""
        from framework.sources import from_callable
        print(from_callable({name}, inline=True).function.spec.code.handler)
        try:
            from_callable({name})
        except Exception as error:
            print(type(error).__name__, error)
        """,
    )
    assert ended.stdout.splitlines() == [
        name,
        f"SourceError {name!r} uses 'HANDLE' (TextIOWrapper), which cannot be sent",
    ]


def test_a_function_typed_at_a_prompt_can_run_here_only() -> None:
    scope: dict[str, object] = {"__name__": "__main__"}
    exec("def typed(a: int = 1): return a", scope)
    typed = scope["typed"]
    with pytest.raises(SourceError, match="typed at a prompt"):
        from_callable(typed)  # type: ignore[arg-type]
    function = from_callable(typed, inline=True).function  # type: ignore[arg-type]
    assert function.status.entry_points[0].parameters[0].default == "1"


def _closure() -> Callable[[], int]:
    outer = 3
    return lambda: outer


def _nested() -> Callable[[int], str]:
    def shown(value: int) -> str:
        return json.dumps(value)

    return shown


class _Bound:
    def method(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 1, "a lambda"),
        (_closure(), "a lambda"),
        (functools.partial(json.dumps, indent=1), "a partial of 'dumps'"),
        (_Bound().method, "bound to an object"),
    ],
)
def test_what_no_source_could_make_again_is_refused_but_runs_here(
    function: Callable[..., object], message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        from_callable(function)
    assert caught.value.advice
    assert from_callable(function, inline=True).function.spec.code.files


def test_a_closure_is_refused_with_the_names_it_closes_over() -> None:
    outer = 3

    def inner() -> int:
        return outer

    with pytest.raises(SourceError, match="uses outer of the function around it"):
        from_callable(inner)


def test_a_nested_function_without_a_closure_is_sent_by_its_source() -> None:
    loaded = from_callable(_nested())
    assert loaded.texts["function_shown.py"].decode().splitlines()[:2] == [
        "from __future__ import annotations",
        "import json",
    ]


def test_a_function_of_an_installed_module_is_sent_by_its_name() -> None:
    code = from_callable(json.dumps).function.spec.code
    assert (code.type, code.module, code.handler, code.files) == ("module", "json", "dumps", {})


def test_a_function_of_a_module_is_its_file(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plant({"somewhere_pkg/__init__.py": "", "somewhere_pkg/mod.py": "from . import util\ndef run(): ...\n"})
    (folder / "somewhere_pkg/util.py").touch()
    monkeypatch.syspath_prepend(str(folder))
    import importlib

    module = importlib.import_module("somewhere_pkg.mod")
    loaded = from_callable(module.run)
    assert loaded.root == folder
    assert loaded.function.spec.code.module == "somewhere_pkg.mod"
    assert list(loaded.function.spec.code.files) == [
        "somewhere_pkg/__init__.py",
        "somewhere_pkg/mod.py",
        "somewhere_pkg/util.py",
    ]
