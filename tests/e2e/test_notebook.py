"""A real notebook: cells that define and run functions, executed by a kernel of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("ipykernel", reason="the dependency group 'values' is not installed")
pytest.importorskip("nbclient", reason="the dependency group 'values' is not installed")

pytestmark = pytest.mark.slow

# In a process of its own, whose warnings are its libraries' affair.
EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient

cells = [nbformat.v4.new_code_cell(text) for text in json.load(sys.stdin)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=100, kernel_name="python3", allow_errors=True).execute()
json.dump([cell["outputs"] for cell in notebook.cells], sys.stdout)
"""

CELLS = {
    "helper": "import framework as fw\nSCALE = 3\n\ndef helper(x):\n    return SCALE * x",
    "define": "@fw.function\ndef triple(number: int) -> int:\n    print('inside')\n    return helper(number)",
    "inline": "triple.run(params={'number': 2})",
    "apart": "run = triple.run(params={'number': 5}, kind='local')\nrun.results, run.logs(), run.cause",
    "changed": "SCALE = 4\ntriple.run(params={'number': 5}, kind='local').results",
    "async": (
        "import asyncio\n\n@fw.function\nasync def later(number: int) -> int:\n    await asyncio.sleep(0)\n"
        "    return number + 1\n\nasyncio.get_running_loop().is_running(), later.run(params={'number': 1}).results"
    ),
    "async apart": "later.run(params={'number': 7}, kind='local').results",
    "failure": "@fw.function\ndef bad() -> None:\n    raise ValueError('<no>')\n\nbad.run()",
    "page": "fw.runs(name='bad')[0]",
    "all": "[(each.name, each.state) for each in fw.runs()]",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What each cell has put out."""
    folder = tmp_path_factory.mktemp("notebook")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
    environment |= {"FRAMEWORK_HOME": str(folder / "home"), "IPYTHONDIR": str(folder / "ipython")}
    environment |= {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    ended = subprocess.run(
        [sys.executable, "-c", EXECUTE],
        input=json.dumps(list(CELLS.values())),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(zip(CELLS, json.loads(ended.stdout), strict=True))


def _shown(outputs: list[dict[str, Any]], form: str = "text/plain") -> str:
    return str(outputs[-1]["data"][form])


def test_a_function_of_a_cell_runs_inline_and_its_run_is_shown_as_html(outputs) -> None:
    stream, _ = outputs["inline"]
    assert (stream["name"], stream["text"]) == ("stdout", "inside\n")
    page = _shown(outputs["inline"], "text/html")
    assert page.startswith("<table><caption>triple</caption>")
    assert "<th>state</th><td>completed</td>" in page
    assert "<th>results</th><td>{&#x27;return&#x27;: 6}</td>" in page


def test_it_runs_apart_with_the_names_of_other_cells_as_they_are_now(outputs) -> None:
    assert _shown(outputs["apart"]) == r"({'return': 15}, 'inside\n', None)"
    assert _shown(outputs["changed"]) == "{'return': 20}"


def test_a_coroutine_runs_inside_of_the_notebooks_loop_and_apart(outputs) -> None:
    assert _shown(outputs["async"]) == "(True, {'return': 2})"
    assert _shown(outputs["async apart"]) == "{'return': 8}"


def test_a_failure_is_raised_and_what_it_says_is_no_html(outputs) -> None:
    assert outputs["failure"][-1]["ename"] == "RunFailed"
    assert "UserError: ValueError: <no>" in outputs["failure"][-1]["evalue"]
    assert "ValueError: &lt;no&gt;" in _shown(outputs["page"], "text/html")


def test_every_run_is_recorded(outputs) -> None:
    ended = _shown(outputs["all"])
    assert (ended.count("'completed'"), ended.count("'failed'")) == (5, 1)
