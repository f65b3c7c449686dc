"""``kubernetes:SECRET/KEY``: given to a job by the cluster itself, and by nobody to others."""

from __future__ import annotations

from framework_run.errors import SecretError
from framework_run.secrets import Store


class KubernetesStore(Store):
    """Secrets of a namespace. A job's pod has them as variables, and never asks here."""

    def get(self, key: str) -> str:
        """Refuse: only the cluster gives them."""
        raise SecretError(
            f"the Kubernetes Secret {key} is for jobs only", advice="Run it with --kind job, or name another store."
        )
