"""CPU time and memory of the gMAD games of a corpus: every teacher against the student in both roles.

    python benchmarks/mining.py                                   # 200,000 videos, 5 teachers, 85,000 pairs
    python benchmarks/mining.py --code OTHER --code .             # the code of another checkout beside this one's

The program writes a run folder with simulated scores and runs the gMAD part of step `mine` on it, each time in a process of
its own: in one process, and in actors of a local Ray. It prints the CPU seconds of reading and calibrating the scores and
those of the games (actors included, imports and Ray's own processes not), the peak memory, and a digest: equal digests are
equal tables.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
TEACHERS = ("artefact", "brisque", "niqe", "piqe", "sharpness")


def write(root: Path, videos: int) -> None:
    """Write the tables that step `mine` reads: videos of round 2, the scores of five teachers, and those of the student."""
    import pyarrow as pa

    from actors.teachers import load_teacher
    from pipeline.run_folder.layout import RunLayout
    from pipeline.run_folder.records import SCORES, STUDENT_SCORES, VIDEOS
    from pipeline.run_folder.store import append_shard, write_table

    layout, random = RunLayout(root), np.random.default_rng(0)
    ids = [hashlib.sha256(str(k).encode()).hexdigest()[:20] for k in range(videos)]
    common = {"split": "train", "round": 2, "copy": 0, "status": "ok", "start_s": 0.0, "duration_s": 8.0, "recipe": ""}
    rows = [
        {**dict.fromkeys(VIDEOS.schema.names), **common, "video_id": name, "uri": f"/v/{name}.mp4", "content_id": name}
        for name in ids
    ]
    write_table(layout.videos, VIDEOS.table(rows), VIDEOS)
    quality = random.normal(size=videos)

    def scores(sign: float = 1.0) -> np.ndarray:
        return np.round(sign * (50 + 12 * (quality + 0.7 * random.normal(size=videos))), 4)

    for name in TEACHERS:
        teacher = load_teacher(name)
        values = scores(1.0 if teacher.higher_is_better else -1.0)
        columns = {"video_id": ids, "score": values, "status": ["ok"] * videos}
        columns |= {"teacher": [name] * videos, "digest": [teacher.digest()] * videos}
        columns |= {"error_kind": [None] * videos, "error": [None] * videos}
        append_shard(layout.scores(name), pa.table(columns, schema=SCORES.schema), SCORES)
    columns = dict.fromkeys(STUDENT_SCORES.schema.names, scores())  # the games read the score alone
    columns |= {"video_id": ids, "round": [1] * videos}
    write_table(layout.student_scores(1), pa.table(columns, schema=STUDENT_SCORES.schema), STUDENT_SCORES)


def used() -> tuple[float, float]:
    """CPU seconds and peak memory (GiB) of this process so far."""
    facts = resource.getrusage(resource.RUSAGE_SELF)
    return facts.ru_utime + facts.ru_stime, facts.ru_maxrss / 2**20


class Metered:
    """An engine that notes when the games begin, and what the actors that play them use."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.begun = (0.0, 0.0)
        self.actors: dict[int, tuple[float, float]] = {}

    def calls(self, kind: type, arguments: tuple[Any, ...], method: str, work: Sequence[tuple[Any, ...]]) -> list[Any]:
        """See `cluster.engine.Engine.calls`."""
        self.begun = used()

        class Noting(kind):  # type: ignore[misc]
            def play(self, *given: Any) -> Any:
                start = used()[0]
                answer = super().play(*given)
                now, peak = used()
                return answer, os.getpid(), now - start, peak

        answers = self.engine.calls(Noting, arguments, method, work)
        for _, pid, seconds, peak in answers:
            if pid != os.getpid():
                earlier = self.actors.get(pid, (0.0, 0.0))
                self.actors[pid] = (earlier[0] + seconds, max(earlier[1], peak))
        return [answer for answer, *_ in answers]


def measure(root: Path, pairs: int, *, distributed: bool) -> dict[str, Any]:
    """Mine in this process with the code that Python finds first."""
    from cluster.engine import RayEngine
    from cluster.in_process import InProcess
    from cluster.session import SessionSettings, connect
    from pipeline.console import Console
    from pipeline.run_folder.layout import RunLayout
    from pipeline.run_folder.run import Run
    from pipeline.settings.config import load
    from pipeline.steps import mine

    config = load(
        "demo",
        overrides=[f"teachers.names=[{', '.join(TEACHERS)}]", f"mining.pairs={pairs // (2 * len(TEACHERS))}"],
    )
    with ExitStack() as stack:
        engine: Any = InProcess()
        if distributed:
            engine = stack.enter_context(RayEngine(lambda: connect(None, SessionSettings(cpus=2))))
            engine.start()
        metered, start, wall = Metered(engine), used(), time.perf_counter()
        found = mine.games(Run(config, RunLayout(root), Console(), metered), 1)  # type: ignore[arg-type] # a wrapper
        end, wall = used(), time.perf_counter() - wall
    rows = sorted(repr(sorted(row.items())) for row in (found if isinstance(found, list) else found.to_pylist()))
    return {
        "pairs": len(rows),
        "digest": hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16],
        "reading_s": metered.begun[0] - start[0],
        "games_s": end[0] - metered.begun[0] + sum(seconds for seconds, _ in metered.actors.values()),
        "wall_s": wall,
        "peak_gib": end[1],
        "actors_gib": max((peak for _, peak in metered.actors.values()), default=0.0),
    }


def main() -> None:
    """Measure, and print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=85_000)
    parser.add_argument("--code", type=Path, action="append", help="checkouts to measure, default: this one")
    parser.add_argument("--ways", default="single,distributed")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.path.insert(0, options.code[0].as_posix())
        root, way = options.measure
        print(json.dumps(measure(Path(root), options.pairs, distributed=way == "distributed")))
        return
    sys.path.insert(0, str(PROJECT))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.videos)
        for code in options.code or [PROJECT]:
            for way in options.ways.split(","):
                line = [
                    sys.executable,
                    str(Path(__file__).resolve()),
                    "--pairs",
                    str(options.pairs),
                    "--code",
                    str(code.resolve()),
                ]
                environment = {**os.environ, "PYTHONPATH": str(code.resolve())}
                ended = subprocess.run(
                    [*line, "--measure", folder, way],
                    env=environment,
                    cwd=code,  # Ray's workers look there first
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                facts = json.loads(ended.stdout.splitlines()[-1])
                print(
                    f"{code} {way}: {facts['pairs']:,} pairs, digest {facts['digest']}; CPU: reading and calibration "
                    f"{facts['reading_s']:.1f} s, games {facts['games_s']:.2f} s; wall {facts['wall_s']:.1f} s; "
                    f"peak {facts['peak_gib']:.2f} GiB, of an actor {facts['actors_gib']:.2f} GiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
