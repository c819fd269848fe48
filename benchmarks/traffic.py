"""Bytes of one video that go from node to node in the score step: five published networks and the published student.

    python benchmarks/traffic.py                          # a node of CPUs, two nodes with (pretended) GPUs
    python benchmarks/traffic.py --size 1920x1080 --seconds 8

It renders a clip, starts Ray nodes on this machine and sends rows of it through the chain of a run with GPUs: the real first
pool, and scoring pools that compute nothing but receive and pass on the same rows. Every pool notes its node and the size
of the row that reaches it; a row that arrives from another node has crossed. It also prints what a row consists of.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media.rows import Row, unpack, without_views
from actors.media.scenes import make_clip
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
        work: Class of the other actor, or None for one that changes nothing.
        options: Its options.
    """

    def __init__(self, work: type | None, options: dict[str, Any]) -> None:
        import ray

        self.actor = work(**options) if work is not None else None
        self.node = ray.get_runtime_context().get_node_id()

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        way = json.loads(row.get("way") or "[]")
        way.append((self.node, size(row)))
        done = self.actor(row) if self.actor is not None else row
        return {**done, "way": json.dumps(way)}


class Passing:
    """A scorer that computes nothing, and passes on what a scorer passes on."""

    def __init__(self, last: list[str]) -> None:
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="960x540")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--gpu-nodes", type=int, default=2)
    options = parser.parse_args()
    width, height = (int(number) for number in options.size.split("x"))
    config = load("paper", overrides=["corpus.videos=made", "student.options.checkpoint=unused"])
    look = Look(Path(), Path(), dict.fromkeys(config.teachers.names, Path()), {})
    import ray
    from ray.cluster_utils import Cluster

    from cluster.stream import stream

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        make_clip(0, 1, path, width, height, options.seconds, 24.0)
        window = {"uri": str(path), "start_s": 0.0, "duration_s": 0.0, "recipe": "", "still": False}
        rows = [{"video_id": str(number), **window} for number in range(options.rows)]
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
        for _ in range(options.gpu_nodes):
            cluster.add_node(num_cpus=2, num_gpus=len(config.teachers.names))
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        sampling = {"spec": sample_spec(config, look), "options": encode_options(config)}
        pools = [Pool(Noting, {"work": Sampler, "options": sampling}, weight=6.0)]
        later = student_row(config.student.name).views
        pools += [
            Pool(Noting, {"work": Passing, "options": {"last": pool.options["last"]}}, gpus=1.0)
            for pool in score_pools(config.teachers.names, "", ScorePoolConfig(gpus=1, batch=1), later)
        ]
        pools += [Pool(Noting, {"work": None, "options": {}}, gpus=1.0)]  # the student's encoder
        pools.append(Pool(Noting, {"work": DropSample, "options": {}}, weight=0.1))
        table = pa.Table.from_pylist(rows, schema=LOOK_COLUMNS)
        done = [row for batch in stream(table, pools, most_rows=1) for row in batch]
        ray.shutdown()
        cluster.shutdown()
        row = Sampler(**sampling)(rows[0])
    pieces = parts(row)
    print(f"a window of {options.size}, {options.seconds:g} s; a decoded row: {size(row) / 2**20:.1f} MiB")
    for name, count in pieces.items():
        print(f"  {name:20} {count / 2**20:7.1f} MiB")
    ways = [json.loads(one["way"]) for one in done]
    crossed = sum(crossings(way) for way in ways) / len(ways)
    hops = sum(before[0] != here[0] for way in ways for before, here in pairwise(way)) / len(ways)
    sizes = ", ".join(f"{sum(way[k][1] for way in ways) / len(ways) / 2**20:.1f}" for k in range(1, len(pools)))
    print(f"MiB of a row at each pool behind the first: {sizes}")
    print(f"bytes between nodes: {crossed / 2**20:.1f} MiB a video in {hops:.1f} of {len(pools) - 1} passages")


if __name__ == "__main__":
    main()
