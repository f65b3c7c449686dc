"""Maps on a Dask cluster of this machine, against `Client.map` and `gather` on the same cluster."""

from __future__ import annotations

import os
import time

import psutil
from harness import clean_room, rate, row

LONG, SHORT = 0.100, 0.005  # seconds that a task takes
LONG_BUDGET, SHORT_BUDGET = 0.90, 0.70  # of bare Dask's speed
MEMORY = 100  # MB by which the client may grow
MANY = 10_000
WORKERS = 2

HANDLER = """
import time

def main(n: int, pause: float = 0.0) -> int:
    if pause:
        time.sleep(pause)
    return n
"""


def bare(n: int, pause: float) -> int:
    """What the handler does."""
    time.sleep(pause)
    return n


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, environment):
        os.environ.update(environment)
        (folder / "job.py").write_text(HANDLER)
        from framework.engine.map_plan import plan_map
        from framework.engine.mapping import execute_map
        from framework.engine.request import RunRequest
        from framework.engine.session import Session

        session = Session()
        request = RunRequest(
            target=str(folder / "job.py"),
            handler="main",
            kind="dask",
            overrides={"scale": {"replicas": WORKERS}, "options": {"idle_timeout": "60s"}},
        )

        def ours(count: int, pause: float) -> float:
            planned = plan_map(session, request, [{"n": n, "pause": pause} for n in range(count)])
            begun = time.perf_counter()
            run = execute_map(session, planned)
            assert run["status"]["results"] == {"completed": count, "failed": 0}, run["status"]
            return time.perf_counter() - begun

        ours(20, 0.0)
        from framework_runtime_dask.providers.local import LocalProvider

        provider = LocalProvider(session.home)
        (place,) = provider.clusters()
        from distributed import Client

        with Client(place.address, set_as_default=False) as client:
            client.run(os.getpid)

            def raw(count: int, pause: float) -> float:
                begun = time.perf_counter()
                client.gather(client.map(bare, range(count), pause=pause, pure=False))
                return time.perf_counter() - begun

            raw(20, 0.0)
            for name, count, pause, budget in (
                ("100 ms", 200, LONG, LONG_BUDGET),
                ("5 ms", 1_000, SHORT, SHORT_BUDGET),
            ):
                turns = [(raw(count, pause), ours(count, pause)) for _ in range(3)]
                without, tracked = (min(each) for each in zip(*turns, strict=True))
                row(
                    f"a map of {count:,} tasks of {name} on {WORKERS} Dask workers",
                    f"≥ {budget:.0%} of bare",
                    measured=rate(count / tracked),
                    baseline=rate(count / without),
                    ratio=without / tracked,
                    kept=without / tracked >= budget,
                )
        process = psutil.Process()
        before = process.memory_info().rss
        taken = ours(MANY, 0.0)
        grown = (process.memory_info().rss - before) / 1e6
        row(
            f"memory of the client of a map of {MANY:,} tasks",
            f"≤ {MEMORY} MB more",
            measured=f"{grown:.0f} MB",
            baseline=rate(MANY / taken),
            ratio=grown / MEMORY,
            kept=grown <= MEMORY,
        )
        provider.close(place)


if __name__ == "__main__":
    main()
