"""The published networks with one shared decode, compared with a separate decode for each; and the networks alone.

    python benchmarks/teachers.py [VIDEO...] [--clips 12] [--seconds 2]
    python benchmarks/teachers.py --network-only [--device cuda] [--batches 1,2,4,8,16,32]

Without videos it renders clips. The weights come from a formula, so nothing is downloaded. *Together* is the run's own
chain of actor pools on a local Ray: one decode of a video makes the views of all teachers, and on CPUs one scoring actor
holds all networks. *Each* runs that chain once per teacher. *Apart* starts one plain process per teacher, one after the
other, like the released scripts; each process decodes every video. `--network-only` needs neither Ray nor a decoder: it
times the networks on random inputs for several videos per call.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch
from torch import nn

from actors.networks.dover import Dover
from actors.networks.fastvqa import FastVQA
from actors.networks.minimalistic import MinimalisticVQA
from cluster.capacity import Capacity
from trainers.student.language.formula import fill
from trainers.student.language.slowfast import FastPathway

NAMES = ("fastvqa", "dover", "minimalistic_vii", "minimalistic_ix")
FILES: dict[str, Callable[[], nn.Module]] = {
    "FAST_VQA_B_1_4.pth": FastVQA,
    "DOVER.pth": Dover,
    "MinimalisticVQA_Model_VII_LSVQ.pth": lambda: MinimalisticVQA(motion=False),
    "MinimalisticVQA_Model_IX_LSVQ.pth": lambda: MinimalisticVQA(motion=True),
    "SLOWFAST_8x8_R50.pyth": FastPathway,
}
SECONDS = 8  # of a video, for the networks alone
MIB = 2**20


def write_weights(folder: Path) -> None:
    """Write the weight files of the teachers, filled by a formula."""
    for name, build in FILES.items():
        network = build()
        fill(network)
        torch.save(network.state_dict(), folder / name)


def clips(folder: Path, count: int, seconds: float) -> list[Path]:
    """Rendered clips of 960x540, 24 frames per second."""
    from actors.media.scenes import make_clip

    paths = [folder / f"made-{number:02d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        make_clip(number, 0, path, 960, 540, seconds, 24.0)
    return paths


def peak_mib(who: int = resource.RUSAGE_SELF) -> float:
    """Largest resident size so far, MiB."""
    return resource.getrusage(who).ru_maxrss * 1024 / MIB


# ---- together


def counted_decode(**options: Any) -> Any:
    """The run's decoding actor, which also reports the number and the duration of its decodes."""
    from actors.sample import Decode

    class Counted(Decode):
        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            plain, calls = self.decoder.decode, []
            self.decoder.decode = lambda *arguments: (calls.append(1), plain(*arguments))[1]
            start = time.perf_counter()
            result = super().__call__(row)
            seconds = time.perf_counter() - start
            self.decoder.decode = plain
            child = self.decoder._child  # noqa: SLF001 - its peak is nowhere else
            status = Path(f"/proc/{child.process.pid}/status").read_text(encoding="ascii") if child else "VmHWM: 0 kB"
            inner = int(status.split("VmHWM:")[1].split()[0]) / 1024
            return {
                **result,
                "decodes": len(calls),
                "busy_decode": seconds,
                "mib_decode": peak_mib(),
                "mib_child": inner,
            }

    return Counted(**options)


def machine_cpu_s() -> float:
    """CPU seconds of all processes of the machine (user, nice, system)."""
    ticks = Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=4)[1:4]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def timed_scorer(names: Sequence[str], weights: str) -> Any:
    """The run's scoring actor, which also reports its own time and that of its networks."""
    from actors.score import TeacherScorer

    class Timed(TeacherScorer):
        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            times: dict[str, tuple[float, float]] = {}
            scores = {name: teacher.score for name, teacher in self.teachers.items()}
            for name, teacher in self.teachers.items():
                _ = teacher.network  # loading is not scoring
                teacher.score = partial(self._timed, name, scores[name], times)
            start = time.perf_counter()
            result = super().__call__(row)
            busy = time.perf_counter() - start
            for name, teacher in self.teachers.items():
                teacher.score = scores[name]
            own = {f"network_{name}": elapsed for name, (elapsed, _) in times.items()}
            cpu = {f"network_cpu_{name}": used for name, (_, used) in times.items()}
            return {**result, **own, **cpu, "busy_score": busy, "mib_score": peak_mib()}

        @staticmethod
        def _timed(
            name: str, score_of: Callable[[Any], float], times: dict[str, tuple[float, float]], sample: Any
        ) -> float:
            start, used = time.perf_counter(), time.process_time()
            score = score_of(sample)
            times[name] = time.perf_counter() - start, time.process_time() - used
            return score

    return Timed(names, weights)


class DecodePool:
    """Ray actor around `counted_decode`."""

    def __init__(self, **options: Any) -> None:
        self.work = counted_decode(**options)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """One row in, one row out."""
        return dict(self.work(row))


class ScorePool:
    """Ray actor around `timed_scorer`."""

    def __init__(self, names: Sequence[str], weights: str) -> None:
        self.work = timed_scorer(names, weights)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """One row in, one row out."""
        return dict(self.work(row))


def together(capacity: Capacity, videos: list[Path], weights: Path, names: Sequence[str] = NAMES) -> dict[str, float]:
    """The figures of one chained execution with the named teachers, on a running Ray."""
    import pyarrow as pa

    from actors.media.views import SampleSpec
    from actors.score import DropSample
    from actors.teachers import views_of
    from cluster.engine import PIXEL_ROWS
    from cluster.pools import Pool
    from cluster.stream import stream
    from pipeline.look.chain import score_pools
    from pipeline.look.look import LOOK_COLUMNS
    from pipeline.settings.sections import ScorePoolConfig

    plain = {"start_s": 0.0, "duration_s": 0.0, "recipe": "", "still": False}
    rows = [{"video_id": path.name, "uri": str(path.absolute()), **plain} for path in videos]
    pools = [
        Pool(DecodePool, {"spec": SampleSpec(views=views_of(names)), "timeout_s": 600.0}),
        *(replace(pool, work=ScorePool) for pool in score_pools(names, str(weights), ScorePoolConfig())),
        Pool(DropSample, weight=0.1),
    ]
    start, used = time.perf_counter(), machine_cpu_s()
    table = pa.Table.from_pylist(rows, schema=LOOK_COLUMNS)
    results = [row for batch in stream(capacity, table, pools, most_rows=PIXEL_ROWS) for row in batch]
    wall, used = time.perf_counter() - start, machine_cpu_s() - used
    for row in results:
        problems = [row["error"], *(row[f"error_{name}"] for name in names)]
        if any(problems):
            sys.exit(f"{row['video_id']}: {next(filter(None, problems))}")
    busy = sum(row["busy_decode"] + row["busy_score"] for row in results)
    network, network_cpu = (
        sum(row[f"{kind}_{name}"] for row in results for name in names) for kind in ("network", "network_cpu")
    )
    shares = {
        "network share of busy time": network / busy,
        "network share of the machine's CPU time": network_cpu / used,
    }
    peaks = {f"peak MiB {place}": max(row[f"mib_{place}"] for row in results) for place in ("decode", "child", "score")}
    decodes = sum(row["decodes"] for row in results) / len(results)
    return {"wall s": wall, "CPU s": used, "decodes per video": decodes, **shares, **peaks} | {
        f"network s per video {name}": sum(row[f"network_{name}"] for row in results) / len(results) for name in names
    }


def on_ray(videos: list[Path], weights: Path, part: str) -> None:
    """Print the figures of one execution for all teachers, and of one execution for each."""
    from cluster.session import connect

    with connect() as session:
        if part in {"all", "together"}:
            for name, value in together(session.capacity, videos, weights).items():
                print(f"together, {name}: {value:.3g}" if value < 10 else f"together, {name}: {value:.0f}", flush=True)
        if part in {"all", "each"}:
            walls = {name: together(session.capacity, videos, weights, [name])["wall s"] for name in NAMES}
            print("one execution for each, wall s: " + ", ".join(f"{name} {wall:.0f}" for name, wall in walls.items()))
            print(f"one execution for each, wall s in total: {sum(walls.values()):.0f}")


# ---- apart


def alone(name: str, videos: list[Path], weights: Path) -> dict[str, float]:
    """One teacher in this process: decode and score one video after the other."""
    from actors.media.decode import Decoder
    from actors.media.views import SampleSpec
    from actors.teachers import load_teacher
    from actors.teachers.network import NetworkTeacher

    start = time.perf_counter()
    teacher, network = load_teacher(name, str(weights)), 0.0
    assert isinstance(teacher, NetworkTeacher)
    _ = teacher.network
    with Decoder(timeout_s=600) as decoder:
        for path in videos:
            sample = decoder.decode(path, spec=SampleSpec(1, 1, views=teacher.views), seed=path.name)
            scoring_start = time.perf_counter()
            teacher.score(sample)
            network += time.perf_counter() - scoring_start
    return {"wall s": time.perf_counter() - start, "network s": network, "peak MiB": peak_mib()}


def apart(videos: list[Path], weights: Path) -> dict[str, dict[str, float]]:
    """Every teacher in a process of its own, with all cores, one after the other."""
    figures = {}
    for name in NAMES:
        command = [sys.executable, __file__, "--alone", name, "--weights", str(weights), *map(str, videos)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
        start = time.perf_counter()
        process = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True)
        figures[name] = {**json.loads(process.stdout), "wall s": time.perf_counter() - start}
    return figures


# ---- the networks alone


def network_of(name: str, device: torch.device) -> Callable[[int], Callable[[], object]]:
    """For a number of videos, return a call of the teacher's network on random inputs of that size."""

    def random_input(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device)

    def ready(network: nn.Module) -> Any:
        fill(network)
        return network.eval().to(device)

    if name == "fastvqa":
        swin = ready(FastVQA())

        def call(videos: int) -> Callable[[], object]:
            return partial(swin, random_input(4 * videos, 3, 32, 224, 224))

    elif name == "dover":
        both = ready(Dover())

        def views(technical: torch.Tensor, aesthetic: torch.Tensor) -> None:
            both.technical_head(both.technical_backbone(technical))
            both.aesthetic_head(both.aesthetic_backbone(aesthetic))

        def call(videos: int) -> Callable[[], object]:
            return partial(views, random_input(3 * videos, 3, 32, 224, 224), random_input(videos, 3, 32, 224, 224))

    elif name == "minimalistic_vii":
        look = ready(MinimalisticVQA(motion=False))

        def call(videos: int) -> Callable[[], object]:
            return partial(look, random_input(SECONDS * videos, 3, 384, 384))

    else:
        model, motion = ready(MinimalisticVQA(motion=True)), ready(FastPathway())

        def call(videos: int) -> Callable[[], object]:
            frames, seconds = (
                random_input(SECONDS * videos, 3, 384, 384),
                random_input(SECONDS * videos, 3, 32, 224, 224),
            )
            return lambda: model(frames, motion(seconds))

    return call


def seconds_of(call: Callable[[], object], device: torch.device, least_s: float) -> float:
    """Mean seconds of a call over at least `least_s` seconds, after one call to warm up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    call()
    wait()
    count, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < least_s or not count:
        call()
        wait()
        count += 1
    return seconds / count


def busy_share(call: Callable[[], object]) -> float:
    """Share of a call's time in which the GPU computes."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        start = time.perf_counter()
        for _ in range(3):
            call()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return sum(event.self_device_time_total for event in profile.key_averages()) / 1e6 / seconds


@torch.inference_mode()
def network_only(device: torch.device, batches: list[int], least_s: float) -> None:
    """Print videos per second of each teacher's network, and the batch beyond which the gain is below 5 %."""
    torch.backends.cudnn.allow_tf32 = False  # as the teachers compute
    for name in NAMES:
        maker = network_of(name, device)
        rates: dict[int, float] = {}
        for videos in batches:
            try:
                rates[videos] = videos / seconds_of(maker(videos), device, least_s)
            except torch.OutOfMemoryError:
                break
        enough = next(videos for videos, rate in rates.items() if rate > 0.95 * max(rates.values()))
        text = ", ".join(f"{videos}: {rate:.3g}" for videos, rate in rates.items())
        print(f"{name}: videos/s by videos a call {{{text}}}; saturated from {enough}")
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            share = busy_share(maker(enough))
            print(f"  GPU busy {share:.0%}, peak {torch.cuda.max_memory_allocated() / MIB:.0f} MiB")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--clips", type=int, default=12, help="number of clips, given or rendered")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a rendered clip")
    parser.add_argument("--part", choices=("all", "together", "each", "apart"), default="all")
    parser.add_argument("--network-only", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", default="1,2,4,8,16,32", help="videos per call, for --network-only")
    parser.add_argument("--least", type=float, default=2.0, help="seconds of measurement per batch")
    parser.add_argument("--alone", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.network_only:
        network_only(torch.device(options.device), [int(part) for part in options.batches.split(",")], options.least)
        return
    if options.alone:
        print(json.dumps(alone(options.alone, options.videos, options.weights)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder))
        videos = options.videos[: options.clips] or clips(Path(folder), options.clips, options.seconds)
        print(f"{len(videos)} videos, {len(os.sched_getaffinity(0))} CPUs")
        if options.part in {"all", "together", "each"}:
            on_ray(videos, Path(folder), options.part)
        if options.part in {"all", "apart"}:
            figures = apart(videos, Path(folder))
            for name, values in figures.items():
                print(f"apart, {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in values.items()))
            print(f"apart, wall s: {sum(values['wall s'] for values in figures.values()):.0f}")


if __name__ == "__main__":
    main()
