"""What a preflight looks at."""

from __future__ import annotations

from typing import NamedTuple

from framework.models import Function
from framework_runtime_job.api import Api
from framework_runtime_job.options import JobOptions
from framework_runtime_job.settings import JobSettings


class Subject(NamedTuple):
    """What is looked at: the cluster, and the function as it would be sent."""

    api: Api
    namespace: str
    function: Function
    options: JobOptions
    settings: JobSettings
