"""What is recorded of the submitting side with every run: Python, packages, host, command line, and the git checkout.

It is found once a process, and again when something that it depends on has changed. That is looked at once a second at
most, because a look costs more than an inline run may.
"""

from framework.engine.capture.capture import Capture, begin

__all__ = ["Capture", "begin"]
