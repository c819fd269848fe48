"""Rows by the hundred thousand through five pools on GPUs that are counted only: what the driver and Ray Data cost.

python benchmarks/scale.py [--rows 200000] [--scale 0.002]

The work of a pool is a sleep of the core seconds that its network was measured to take for one video (docs/performance.md; the
last is the student's encoder), times `--scale`. Two nodes of a local Ray have 4 GPUs between them. Each number of rows runs in a
process of its own, so that its memory is its own. `--package` measures another checkout of the project (`git worktree add`).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

SECONDS = {"fastvqa": 19.0, "dover": 16.0, "minimalistic_ix": 3.0, "minimalistic_vii": 2.2, "encoder": 0.4}
GPUS = {"fastvqa": 1.0, "dover": 1.0, "minimalistic_ix": 0.5, "minimalistic_vii": 0.25, "encoder": 0.25}
NODES, NODE = 2, {"num_cpus": 4, "num_gpus": 2}


class Sleeper:
    """Takes the time of a teacher, and notes when."""

    def __init__(self, name, seconds):
        self.name = name
        self.seconds = seconds

    def __call__(self, row):
        """Wait."""
        began = time.time()
        time.sleep(self.seconds)
        return {**row, f"{self.name}_from": began, f"{self.name}_to": time.time(), f"{self.name}_by": os.getpid()}


class Last:
    """Ends the chain, as the pool that drops the views does."""

    def __call__(self, row):
        """As every last pool."""
        return {**row, "status": "ok", "error_kind": "", "error": ""}


class Busy:
    """Busy seconds of a pool, its actors, and its first and last second."""

    def __init__(self):
        self.seconds, self.first, self.last, self.actors = 0.0, float("inf"), 0.0, set()

    def add(self, row, name):
        """Count a row."""
        began, ended, actor = (row[f"{name}_{what}"] for what in ("from", "to", "by"))
        self.seconds += ended - began
        self.first, self.last = min(self.first, began), max(self.last, ended)
        self.actors.add(actor)

    def share(self):
        """Of the time between the pool's first and last row, for as many actors as it had."""
        return self.seconds / (len(self.actors) * (self.last - self.first))


def resident_mib():
    """Memory of this process now, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def spilled():
    """Times that a node said in its log that it wrote objects to disk."""
    from ray._private.worker import _global_node

    logs = Path(_global_node.get_logs_dir_path()).glob("raylet*")
    return sum(path.read_text(errors="replace").count("Spilled ") for path in logs)


def batches_of(engine_or_capacity, table, pools, most_rows):
    """The stream of the project that is measured; the version before had no argument for the cluster."""
    import inspect

    from cluster.stream import stream

    given = [engine_or_capacity] if "capacity" in inspect.signature(stream).parameters else []
    return stream(*given, table, pools, most_rows=most_rows)


def measure(rows, scale, most_rows):
    """Run once and print the figures as JSON."""
    import pyarrow as pa
    from ray.cluster_utils import Cluster

    from cluster.pools import Pool
    from cluster.session import connect

    nodes = Cluster(initialize_head=True, head_node_args=NODE)
    for _ in range(NODES - 1):
        nodes.add_node(**NODE)
    pools = [
        Pool(Sleeper, {"name": name, "seconds": seconds * scale}, gpus=GPUS[name], weight=seconds)
        for name, seconds in SECONDS.items()
    ]
    table = pa.Table.from_pylist(
        [{"video_id": f"v{k:08d}", "uri": f"/corpus/{k:08d}.mp4", "start_s": 0.0, "recipe": ""} for k in range(rows)]
    )
    busy, count = {name: Busy() for name in SECONDS}, 0
    peak, ended = [resident_mib()], threading.Event()

    def watch():
        while not ended.wait(0.5):
            peak[0] = max(peak[0], resident_mib())

    with connect(nodes.address) as session:
        threading.Thread(target=watch, daemon=True).start()
        before, began, used = resident_mib(), time.perf_counter(), time.process_time()
        for batch in batches_of(getattr(session, "capacity", None), table, [*pools, Pool(Last, weight=0.1)], most_rows):
            count += len(batch)
            for row in batch:
                for name in SECONDS:
                    busy[name].add(row, name)
        wall, used = time.perf_counter() - began, time.process_time() - used
        ended.set()
        to_disk = spilled()
    nodes.shutdown()
    assert count == rows, f"{count} of {rows} rows came back"
    # the pool that holds its GPUs longest is the one that the others wait for
    slowest = max(busy, key=lambda name: busy[name].seconds / len(busy[name].actors))
    figures = {
        "rows": rows,
        "slowest pool": slowest,
        "its actors": len(busy[slowest].actors),
        "busy share": busy[slowest].share(),
        "ms per row": 1000 * wall / rows,
        "of these, at work": 1000 * (busy[slowest].last - busy[slowest].first) / rows,
        "driver peak MiB": peak[0],
        "driver MiB before": before,
        "driver CPU s": used,
        "spills": to_disk,
    }
    print(json.dumps(figures), flush=True)


def main():
    """Measure each number of rows in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--few", type=int, default=2_000, help="the number that the other is compared with")
    parser.add_argument("--scale", type=float, default=0.002, help="of the measured seconds")
    parser.add_argument("--block", type=int, default=32, help="most rows of a block; 12 is that of rows with pictures")
    parser.add_argument("--package", default=str(Path(__file__).resolve().parents[1]), help="checkout to measure")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one, options.scale, options.block)
        return
    results = []
    for rows in (options.few, options.rows):
        line = [
            sys.executable,
            __file__,
            "--one",
            str(rows),
            "--scale",
            str(options.scale),
            "--block",
            str(options.block),
        ]
        paths = [options.package, str(Path(__file__).resolve().parent)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        ended = subprocess.run(line, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        results.append(json.loads(ended.stdout.splitlines()[-1]))
    few, many = results
    for name in many:
        print(f"{name:24} {_text(few[name]):>20} {_text(many[name]):>20}")
    # what each row costs beside the start, which 200,000 rows make small and 2,000 do not
    memory, cpu = (
        (many[name] - few[name]) / (many["rows"] - few["rows"]) for name in ("driver peak MiB", "driver CPU s")
    )
    print(f"driver memory, KiB per row more: {1024 * memory:.2f}")
    print(f"driver CPU, ms per row more: {1000 * cpu:.2f}")
    for name in ("ms per row", "of these, at work"):
        print(f"{name}, of that with few rows: {many[name] / few[name]:.2f}")


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
