"""Bytes of one video that go from pool to pool in the score step: five published networks and the published student.

    python benchmarks/traffic.py                          # what a row consists of, and its size at each pool
    python benchmarks/traffic.py --gpu-nodes 2 --rows 24  # the same on Ray nodes: how much of it goes from node to node

The first pool is the real one; the scoring pools compute nothing, but receive and pass on the same rows. With --gpu-nodes,
Ray runs a node of CPUs and nodes with (pretended) GPUs on this machine, and every pool notes its node and the size of the
row that reaches it: a row that arrives from another node has crossed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media import ffmpeg
from actors.media.rows import Row, unpack, without_views
from actors.sample import Sampler
from actors.score import DropSample
from cluster.pools import Pool
from pipeline.look.chain import score_pools
from pipeline.look.look import LOOK_COLUMNS, Look, encode_options, sample_spec
from pipeline.settings.config import load
from pipeline.settings.sections import ScorePoolConfig
from trainers.student.table import student_row


class Noting:
    """Ray actor: another actor that notes where each row was and how large it arrived.

    Args:
        work: Class of the other actor.
        options: Its options.
    """

    def __init__(self, work: Callable[..., Any], options: Mapping[str, Any]) -> None:
        import ray

        self.actor = work(**options)
        self.node = ray.get_runtime_context().get_node_id()

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        way = json.loads(row.get("way") or "[]")
        way.append((self.node, size(row)))
        return {**self.actor(row), "way": json.dumps(way)}


class Passing:
    """A scorer that computes nothing, and passes on what a scorer passes on."""

    def __init__(self, last: Sequence[str] = ()) -> None:
        self.last = last

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return {**row, **without_views(row, self.last)}


def size(row: Row) -> int:
    """Bytes of a row on its way."""
    return int(pa.Table.from_pylist([row]).nbytes)


def parts(row: Row) -> dict[str, int]:
    """Bytes of a decoded row by what they are."""
    sample = unpack(row)
    return {"key frames": sample.key.nbytes, "luma": sample.luma.nbytes} | {
        name: view.nbytes for name, view in sample.views.items()
    }


def crossings(way: list[tuple[str, int]]) -> int:
    """Bytes of a row that arrived on another node than the one that it came from."""
    return sum(here[1] for before, here in pairwise(way) if before[0] != here[0])


def on_nodes(pools: list[Pool], rows: list[Row], gpu_nodes: int) -> list[list[tuple[str, int]]]:
    """The way of every row through the pools on a node of CPUs and nodes with a GPU for each pool that wants one."""
    import ray
    from ray.cluster_utils import Cluster

    from cluster.stream import stream

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    for _ in range(gpu_nodes):
        cluster.add_node(num_cpus=2, num_gpus=len(pools))
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    noting = [
        replace(pool, work=Noting, options={"work": pool.work, "options": pool.options}, batch=1, memory_gib=0.0)
        for pool in pools
    ]
    table = pa.Table.from_pylist(rows, schema=LOOK_COLUMNS)
    done = [row for batch in stream(table, noting, most_rows=1) for row in batch]
    ray.shutdown()
    cluster.shutdown()
    return [json.loads(row["way"]) for row in done]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="960x540")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--gpu-nodes", type=int, default=0)
    options = parser.parse_args()
    config = load("paper", overrides=["corpus.videos=made", "student.options.checkpoint=unused"])
    look = Look(Path(), Path(), dict.fromkeys(config.teachers.names, Path()), {})
    later = student_row(config.student.name).views
    scoring = score_pools(config.teachers.names, "", ScorePoolConfig(gpus=1, batch=1), later)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        source = f"testsrc2=size={options.size}:rate=24:duration={options.seconds}"
        line = [ffmpeg.binary(), "-loglevel", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(clip)]
        subprocess.run(line, check=True)
        window = {"uri": str(clip), "start_s": 0.0, "duration_s": 0.0, "recipe": "", "still": False}
        rows = [{"video_id": str(number), **window} for number in range(options.rows)]
        pools = [Pool(Sampler, {"spec": sample_spec(config, look), "options": encode_options(config)}, weight=6.0)]
        pools += [Pool(Passing, {"last": pool.options["last"]}, gpus=1.0) for pool in scoring]
        pools.append(Pool(DropSample, gpus=1.0))  # in place of the student's encoder, which keeps no pixels either
        actors = [pool.work(**pool.options) for pool in pools]
        row = actors[0](rows[0])
        actors[0].close()
        ways = on_nodes(pools, rows, options.gpu_nodes) if options.gpu_nodes else []
    print(f"a window of {options.size}, {options.seconds:g} s: {size(row) / 2**20:.1f} MiB when it has been decoded")
    for name, count in parts(row).items():
        print(f"  {name:20} {count / 2**20:7.1f} MiB")
    total = 0
    for name, actor in zip([*config.teachers.names, "student"], actors[1:], strict=True):
        total += size(row)
        print(f"  to {name:20} {size(row) / 2**20:7.1f} MiB")
        row = actor(row)
    print(f"from pool to pool: {total / 2**20:.0f} MiB a video; this crosses if each pool is on another node")
    if ways:
        crossed = sum(crossings(way) for way in ways) / len(ways)
        passages = sum(before[0] != here[0] for way in ways for before, here in pairwise(way)) / len(ways)
        print(
            f"between {1 + options.gpu_nodes} nodes: {crossed / 2**20:.0f} MiB a video, "
            f"in {passages:.1f} of {len(pools) - 1} passages"
        )


if __name__ == "__main__":
    main()
