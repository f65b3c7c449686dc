from __future__ import annotations

from framework.engine.packages import requirements


def test_what_can_be_installed_again_and_what_cannot():
    lines = [
        "numpy==2.1.0",
        "torch==2.5.0+cu121",
        "tool==1.0 @ git+https://example.org/tool@0123abc",
        "wheel-by-url==1.0 @ https://example.org/w-1.0.whl",
        "mine==0.1 @ file:///home/me/mine",
        "odd==unknown",
        "pip==24.0",
        "no line",
    ]
    wanted, left = requirements(lines)
    assert wanted == [
        "numpy==2.1.0",
        "torch==2.5.0+cu121",
        "tool @ git+https://example.org/tool@0123abc",
        "wheel-by-url @ https://example.org/w-1.0.whl",
    ]
    assert left == ["mine==0.1 @ file:///home/me/mine", "odd==unknown", "no line"]
