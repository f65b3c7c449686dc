"""A run of the kind ``job`` beside a bare Job of the same image, followed with the plain client. Needs a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from harness import clean_room, milliseconds, process, program, row, turns

RATIO = 1.2
MEMORY = 80 * 1024  # KiB of the following client
TURNS = 5
IMAGE = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")

HANDLER = "def main():\n    pass\n"

BARE = f"""
import uuid
from kubernetes import client, config, watch

config.load_kube_config()
name = "bare-" + uuid.uuid4().hex[:8]
container = {{"name": "run", "image": "{IMAGE}", "command": ["python3", "-c", "pass"]}}
body = {{
    "metadata": {{"name": name}},
    "spec": {{
        "backoffLimit": 0,
        "template": {{
            "spec": {{"restartPolicy": "Never", "containers": [container], "automountServiceAccountToken": False}}
        }},
    }},
}}
batch = client.BatchV1Api()
batch.create_namespaced_job("default", body)
selector = {{"field_selector": "metadata.name=" + name}}
for event in watch.Watch().stream(batch.list_namespaced_job, "default", **selector):
    if event["object"].status.succeeded:
        break
core = client.CoreV1Api()
pods = core.list_namespaced_pod("default", label_selector="job-name=" + name).items
core.read_namespaced_pod_log(pods[0].metadata.name, "default")
batch.delete_namespaced_job(name, "default", propagation_policy="Background")
"""


def main() -> None:
    """Measure and print."""
    if not os.environ.get("TESTBED_CLUSTER"):
        print("no cluster: the benchmark of jobs is left out", file=sys.stderr)
        return
    with clean_room() as (folder, environment):
        (folder / "noop.py").write_text(HANDLER)
        words = [program("framework"), "run", "noop.py:main", "--kind", "job", "--image", IMAGE]
        process(words, environment, folder)()  # the archive is there from now on, as for every run but the first
        ours, bare = turns(
            TURNS,
            process(words, environment, folder),
            process([Path(sys.executable), "-c", BARE], environment, folder),
        )
        row(
            "a no-op job, `framework run` to its recorded end",
            f"≤ {RATIO} of it",
            measured=milliseconds(ours),
            baseline=f"{milliseconds(bare)}, a bare Job followed with the plain client",
            ratio=ours / bare,
            kept=ours <= RATIO * bare,
        )
        used, empty = _memory(words, environment, folder), _memory(["python3", "-c", "pass"], environment, folder)
        row(
            "memory of the client that follows it",
            "≤ 80 MB",
            measured=f"{used / 1024:.0f} MB",
            baseline=f"{empty / 1024:.0f} MB, an interpreter",
            ratio=used / empty,
            kept=used <= MEMORY,
        )


def _memory(words: list[str | Path], environment: dict[str, str], folder: Path) -> int:
    """The peak of a process, in KiB."""
    with subprocess.Popen(
        words, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as ran:
        peak = 0
        while ran.poll() is None:
            for line in Path(f"/proc/{ran.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]))
            time.sleep(0.01)
    return peak


if __name__ == "__main__":
    main()
