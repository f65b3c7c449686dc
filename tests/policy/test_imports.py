"""Rules about imports that are about names: what the run side may use, and which doors a plugin may take.

Which module may import which is in pyproject.toml, for import-linter.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_HANDLER = 3_000  # lines of ours in a handler's process
RUN_SIDE_ONLY = {"framework_run"}
NEWER = {"annotationlib"}  # in the standard library since 3.14
# A value of the user's own is written, or made, by the library that it comes from: inside of a function, and for such
# values only.
LIBRARIES_OF_VALUES = {"formats.py": {"numpy"}, "tables.py": {"pandas"}}


def _imports(path: Path) -> Iterator[tuple[int, str, list[str], int]]:
    """Every import of a file: line, module, names taken from it, level of a relative import."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, [], 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", [alias.name for alias in node.names], node.level


def _inner(path: Path) -> set[int]:
    """The lines inside of functions."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text("utf-8"))
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, functions)
        for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
    }


def _foreign(path: Path, allowed: set[str]) -> list[str]:
    return [
        f"{path}:{line}: {module}"
        for line, module, _, level in _imports(path)
        if level == 0 and module.split(".")[0] not in allowed | NEWER | set(sys.stdlib_module_names)
    ]


def test_the_run_side_uses_the_standard_library_only(root: Path) -> None:
    package = root / "core/src/framework_run"
    facade = package / "facade"
    found = []
    for path in sorted(package.rglob("*.py")):
        # The facade is what a handler imports as `framework`: it may name itself.
        allowed = RUN_SIDE_ONLY | ({"framework"} if path.is_relative_to(facade) else set())
        libraries = LIBRARIES_OF_VALUES.get(str(path.relative_to(package)), set())
        found += _foreign(path, allowed | libraries)
        if libraries:
            inner = _inner(path)
            outside = [line for line, module, *_ in _imports(path) if module in libraries and line not in inner]
            found += [f"{path}:{line}: outside of a function" for line in outside]
    assert found == []


def test_the_run_side_of_a_plugin_travels_alone(root: Path) -> None:
    found = []
    for folder in sorted((root / "plugins").glob("*/src/*/runside")):
        for path in sorted(folder.rglob("*.py")):
            found += _foreign(path, RUN_SIDE_ONLY)
            depth = len(path.relative_to(folder).parts)
            found += [f"{path}:{line}: leaves runside" for line, _, _, level in _imports(path) if level > depth]
    assert found == []


def test_plugins_take_public_doors_only(root: Path) -> None:
    found = []
    for path in sorted((root / "plugins").glob("*/src/**/*.py")):
        for line, module, names, level in _imports(path):
            if level or module.split(".")[0] not in {"framework", "framework_run"}:
                continue
            private = [part for part in [*module.split("."), *names] if part.startswith("_") and part != "__version__"]
            found += [f"{path.relative_to(root)}:{line}: {module} {part}" for part in private]
    assert found == []


_PROBE = """
import sys
from pathlib import Path

import framework as fw


def count() -> list[str]:
    return sorted({
        module.__file__
        for name, module in sys.modules.items()
        if name.split(".")[0] == "framework_run" and getattr(module, "__file__", None)
    })


def use(depth: int, data: Path, rate: float = 0.5) -> list[str]:
    context = fw.context()
    context.log_result("depth", depth)
    context.log_metric("loss", rate)
    context.log_artifact("data", data)
    return count()
"""


def _modules(folder: Path, *words: str) -> list[Path]:
    """Our modules in the process of a handler of the probe."""
    (folder / "probe.py").write_text(_PROBE)
    (folder / "data.csv").write_text("x\n")
    ended = subprocess.run(
        [Path(sys.executable).parent / "framework", "run", *words, "--json"],
        cwd=folder,
        env={**os.environ, "FRAMEWORK_HOME": str(folder / "home")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    found = [Path(path) for path in json.loads(ended.stdout)["status"]["results"]["return"]]
    assert found
    return found


def _statements(path: Path) -> int:
    """The lines that code stands on: without blank lines, comments and docstrings."""
    text = path.read_text("utf-8")
    spoken = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for number, line in lines if number not in spoken and line.strip() and line.lstrip()[0] != "#")


def test_a_handler_process_imports_little_of_ours(tmp_path: Path) -> None:
    lines = sum(path.read_bytes().count(b"\n") for path in _modules(tmp_path, "probe.py:count"))
    assert lines <= LONGEST_HANDLER


def test_a_handler_that_uses_all_that_is_usual_imports_little_code(tmp_path: Path) -> None:
    modules = _modules(tmp_path, "probe.py:use", "-p", "depth=3", "--input", "data=data.csv")
    assert sum(map(_statements, modules)) <= LONGEST_HANDLER


def test_the_whole_run_side_is_small(root: Path) -> None:
    size = sum(path.read_bytes().count(b"\n") for path in (root / "core/src/framework_run").rglob("*.py"))
    assert size <= 3 * LONGEST_HANDLER
