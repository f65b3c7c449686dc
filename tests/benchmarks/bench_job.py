"""A run of the kind ``job`` beside a bare Job of the same image, followed with the plain client. Needs a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from harness import clean_room, milliseconds, process, program, row, turns

RATIO = 1.2
MEMORY = 80 * 1024  # KiB of the following client
GROWTH = 80 * 1024  # KiB that followers add to the process that they are in
TURNS = 10
FOLLOWERS = 50
IMAGE = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")

HANDLER = "import time\n\ndef main(n: int = 0, pause: float = 0.0) -> int:\n    time.sleep(pause)\n    return n\n"
PAUSE = 20.0  # seconds that each of many jobs takes, so that all of them are followed at once

BARE = f"""
import uuid
from kubernetes import client, config, watch

config.load_kube_config()

def follow(pause=0.0):
    name = "bare-" + uuid.uuid4().hex[:8]
    command = ["python3", "-c", f"import time; time.sleep({{pause}})"]
    container = {{"name": "run", "image": "{IMAGE}", "command": command}}
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
    return True
"""

OURS = f"""
import framework as fw

function = fw.function("noop.py:main", kind="job", environment={{"image": "{IMAGE}"}})

def follow(pause=0.0, n=0):
    run = function.run(params={{"n": n, "pause": pause}}, check=False)
    return run.state == "completed" and run.results == {{"return": n}}
"""

MANY = f"""
import json, threading, time

def status(key):
    (line,) = [each for each in open("/proc/self/status") if each.startswith(key + ":")]
    return int(line.split()[1])

follow()
before, ended = status("VmRSS"), []
threads = [threading.Thread(target=lambda: ended.append(follow({PAUSE}))) for _ in range({FOLLOWERS})]
for thread in threads:
    thread.start()
most = 0
while any(thread.is_alive() for thread in threads):
    most = max(most, status("Threads"))
    time.sleep(0.1)
print(json.dumps({{"grown": status("VmHWM") - before, "peak": status("VmHWM"), "threads": most, "ended": sum(ended)}}))
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
            process([Path(sys.executable), "-c", f"{BARE}\nfollow()"], environment, folder),
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
        tracked, plain = (_followers(script, environment, folder) for script in (OURS, BARE))
        row(
            f"memory that {FOLLOWERS} followers add to the process that they are in",
            "≤ 80 MB, all ended rightly",
            measured=_said(tracked),
            baseline=f"{_said(plain)}, bare Jobs with the plain client",
            ratio=tracked["grown"] / plain["grown"],
            kept=tracked["grown"] <= GROWTH and tracked["ended"] == FOLLOWERS,
        )


def _followers(script: str, environment: dict[str, str], folder: Path) -> dict[str, int]:
    """What many followers in one process take: KiB more, KiB in all, threads; and how many saw a right end."""
    words = [sys.executable, "-c", script + MANY]
    ended = subprocess.run(words, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, int] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _said(found: dict[str, int]) -> str:
    grown, peak = found["grown"] / 1024, found["peak"] / 1024
    return f"{grown:.0f} MB (to {peak:.0f}), {found['threads']} threads, {found['ended']} of {FOLLOWERS} ended"


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
