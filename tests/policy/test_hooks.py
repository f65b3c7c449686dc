"""Rules about the hooks: each is documented, and each is tested."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from framework.plugins import hookspecs
from framework.plugins.topics import TOPICS

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("framework_"))


def _sections(root: Path) -> dict[str, str]:
    """The sections of the reference, by heading."""
    text = (root / "docs/reference/hooks.md").read_text("utf-8")
    parts = re.split(r"(?m)^## (\w+)$", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_hook_has_a_heading_and_every_heading_is_a_hook(root: Path) -> None:
    assert sorted(_sections(root)) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented_with_arguments_time_return_and_example(root: Path, hook: str) -> None:
    section = _sections(root)[hook]
    for word in ("**Arguments**", "**When**", "**Returns**"):
        assert word in section
    for argument in inspect.signature(getattr(hookspecs, hook)).parameters:
        assert f"`{argument}`" in section
    (example,) = re.findall(r"(?s)```py\n(.*?)```", section)
    namespace: dict[str, object] = {}
    exec(compile(ast.parse(example), hook, "exec"), namespace)
    topic = next(topic for topic in TOPICS if topic.hook == hook)
    items = namespace[hook]()  # type: ignore[operator]  # the example is the hook
    assert items
    assert all(isinstance(item, topic.cls) for item in items)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_in_its_docstring_when_it_is_called_and_what_it_returns(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert "Called once" in text
    assert "Returns:" in text
    assert f"def {hook}" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_implemented_by_some_test(files: list[Path], root: Path, hook: str) -> None:
    tests = [path for path in files if path.name.startswith("test_") and path.suffix == ".py"]
    others = [path for path in tests if path != Path(__file__)]
    implements = re.compile(rf"\bdef {hook}\b|\b{hook.removeprefix('framework_')}=\[")
    assert [str(path.relative_to(root)) for path in others if implements.search(path.read_text("utf-8"))] != []
