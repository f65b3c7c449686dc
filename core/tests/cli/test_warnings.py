"""What is no error and may not be what was wanted."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, warnings
from framework.cli import main as command
from framework.errors import FrameworkWarning

def execute(words):
    warnings.warn("the disk is slow", FrameworkWarning)
    warnings.warn("an old name", UserWarning)
    return 0

command.execute = execute
command.main([])
"""


def test_a_warning_of_ours_is_its_text_alone():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stderr.splitlines()
    assert first == "Warning: the disk is slow"
    assert second == "<string>:8: UserWarning: an old name"
