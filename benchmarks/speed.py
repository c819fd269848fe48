"""CPU seconds of whole commands beside another checkout, in alternation: the ratios of docs/performance.md.

    git worktree add ../before 0b53abe
    nice -n 19 python benchmarks/speed.py --before ../before --videos FOLDER --rows run,demo,score,one,map --repeat 5

Each figure counts the whole tree of processes, ended ones and orphans included. A line gives the median of each side, the ratio of
every pair of neighbouring runs (median, least and largest), and for a run also its steps. Both sides use this Python.

run: `run.py --videos FOLDER --preset local --stages 3`, its steps `benchmark` and `distort-1`, and its peak memory (sum of the
     proportional set sizes, sampled).
demo: `run.py --stages 3`.
score: `score` of `--files` rendered clips of 2.5 s at 480x270 by the student of a short run of each side.
one: wall time of `score` for one of them, from the shell to the answer.
map: the scores of 200,000 videos against five anchors.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ROWS = ("run", "demo", "score", "one", "map")
STEPS = ("benchmark", "distort-1", "score", "train-1")
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SAMPLE_S = 0.2
_MEMORY_TICKS = 5  # samples between two of the memory, which takes longer to read
_LEFT_S = 20.0  # that processes which outlive a command are waited for

_MAP = """
import sys, time, numpy as np
from pipeline.method import scale
rng = np.random.default_rng(0)
def between(low, high, *shape): return rng.uniform(low, high, shape)
line = np.linspace(-1.2, 1.2, 5)
from scipy.stats import norm
anchors = norm.cdf(np.subtract.outer(line, line))
tests = norm.cdf(rng.normal(size=(200_000, 1)) - line + 0.3 * rng.normal(size=(200_000, 5)))
start = time.process_time()
scale.score_tests(anchors, tests)
print(time.process_time() - start)
"""


@dataclass
class Usage:
    """What a command took.

    Attributes:
        cpu_s: CPU seconds of all its processes.
        wall_s: From its start to its end.
        peak_mib: Largest sum of the proportional set sizes of its processes, sampled; 0 if not asked for.
        steps: CPU seconds of each step of a run.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mib: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)


def adopt_orphans() -> None:
    """Let what outlives its parent come to this process, so that its seconds are counted."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> Iterator[int]:
    """The living processes below a process."""
    for task in Path(f"/proc/{root}/task").glob("*"):
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from descendants(int(child))


def ended_s() -> float:
    """CPU seconds of the children that have ended and their waited-for children."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


@dataclass(frozen=True)
class Seen:
    """A process when it was last looked at: its parent, and its CPU seconds with those of the children it waited for."""

    parent: int
    cpu_s: float


def looked_at() -> dict[int, Seen]:
    """The living descendants."""
    found = {}
    for process in set(descendants(os.getpid())):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            found[process] = Seen(int(fields[1]), sum(int(fields[k]) for k in (11, 12, 13, 14)) * _TICK_S)
    return found


def forgets(process: int) -> bool:
    """Whether a process waits for no child, as Ray's raylet: the kernel then counts the children's seconds nowhere."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("SigIgn:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGCHLD - 1) & 1)
    return False


class Watch:
    """Looks at the descendants again and again while a command runs.

    Attributes:
        lost_s: CPU seconds of those that ended unseen, as far as they were seen.
        peak_mib: Largest sum of the proportional set sizes, if memory is asked for.
    """

    def __init__(self, *, memory: bool) -> None:
        self.lost_s = self.peak_mib = 0.0
        self._memory = memory
        self._known: dict[int, Seen] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        ticks = 0
        while not self._over.wait(_SAMPLE_S):
            now = looked_at()
            for process, last in self._known.items():
                if process not in now and last.parent in now and forgets(last.parent):
                    self.lost_s += last.cpu_s
            self._known = now
            ticks += 1
            if self._memory and ticks % _MEMORY_TICKS == 0:
                self.peak_mib = max(self.peak_mib, held_mib())

    def living_s(self) -> float:
        """CPU seconds of the living descendants, of those children of theirs that they waited for, and of the lost ones."""
        return self.lost_s + sum(one.cpu_s for one in looked_at().values())

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()


def held_mib() -> float:
    """Proportional set sizes of the living descendants."""
    total = 0
    for process in set(descendants(os.getpid())):
        with suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total / 1024


def reap() -> None:
    """Wait for what outlives a command; a process that does not end is no part of the figure."""
    until = time.monotonic() + _LEFT_S
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.1)
        except ChildProcessError:
            return


def watched(code: Path, arguments: Sequence[str], *, memory: bool = False) -> Usage:
    """Run a command of a checkout and measure it."""
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONUNBUFFERED": "1"}
    environment.pop("RAY_ADDRESS", None)  # each starts a Ray of its own
    environment["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="speed-cache-")  # no score is known from the run before
    used, before, start, watch = Usage(), ended_s(), time.monotonic(), Watch(memory=memory)
    command = [sys.executable, *arguments]
    pipe, also = subprocess.PIPE, subprocess.STDOUT  # steps are told on standard error
    child = subprocess.Popen(command, cwd=code, env=environment, stdout=pipe, stderr=also, text=True)
    assert child.stdout is not None
    last, said = 0.0, collections.deque[str](maxlen=20)
    for line in child.stdout:
        said.append(line)
        words = line.split()
        if len(words) > 1 and words[0] == "done":
            now = ended_s() - before + watch.living_s()
            used.steps[words[1]], last = now - last, now
    status = child.wait()
    used.wall_s = time.monotonic() - start
    watch.end()
    reap()
    shutil.rmtree(environment["XDG_CACHE_HOME"], ignore_errors=True)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}:\n{''.join(said)}")
    used.cpu_s, used.peak_mib = ended_s() - before + watch.lost_s, watch.peak_mib
    return used


@dataclass(frozen=True)
class Bench:
    """What is measured, on what.

    Attributes:
        work: Folder for everything that is written.
        videos: Folder of real clips, for row `run`.
        files: Rendered clips, for rows `score` and `one`.
        overrides: Further words of the command of a run.
        students: Of each checkout.
    """

    work: Path
    videos: str
    files: list[str]
    overrides: list[str]
    students: dict[Path, Path] = field(default_factory=dict)

    def run(self, code: Path, row: str) -> Usage:
        """One measurement of a row."""
        return {"run": self._run, "demo": self._demo, "score": self._score, "one": self._one, "map": self._map}[row](
            code
        )

    def _run(self, code: Path) -> Usage:
        return self._pipeline(code, ["--videos", self.videos, "--preset", "local", "--stages", "3"])

    def _demo(self, code: Path) -> Usage:
        return self._pipeline(code, ["--stages", "3"])

    def _pipeline(self, code: Path, words: list[str]) -> Usage:
        out = self.work / "run"
        shutil.rmtree(out, ignore_errors=True)
        words = ["run.py", *words, *self.overrides, "--out", str(out)]
        return watched(code, words, memory=True)

    def student(self, code: Path) -> Path:
        """A student of this checkout with all blocks of features that it has, trained on few clips."""
        if code not in self.students:
            out = self.work / f"student-{len(self.students)}"
            few = ["corpus.made_clips=8", "benchmark.levels=1", "training.epochs=2", "corpus.degraded_copies=1"]
            few.append("student.options.blocks=null")
            sets = [word for entry in few for word in ("--set", entry)]
            watched(code, ["run.py", "--stages", "1", *sets, "--out", str(out)])
            self.students[code] = out
        return self.students[code]

    def _score(self, code: Path) -> Usage:
        return watched(code, ["run.py", "score", str(self.student(code)), "--json", *self.files])

    def _one(self, code: Path) -> Usage:
        return watched(code, ["run.py", "score", str(self.student(code)), "--json", self.files[0]])

    def _map(self, code: Path) -> Usage:
        environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        line = [sys.executable, "-c", _MAP]
        ended = subprocess.run(line, cwd=code, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return Usage(cpu_s=float(ended.stdout))  # of the scores alone, without the imports


def render(folder: Path, count: int) -> list[str]:
    """Clips of 2.5 s at 480x270 that differ from each other."""
    import imageio_ffmpeg

    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{number:03d}.mp4" for number in range(count)]
    for number, name in enumerate(names):
        picture = f"mandelbrot=size=480x270:rate=24:start_scale={3 / (1 + number):.4f}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-t", "2.5"]
        command += [
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            str(20 + number % 20),
            str(name),
        ]
        subprocess.run(command, check=True)
    return [str(name) for name in names]


def listed(options: argparse.Namespace) -> list[str]:
    """The clips that are there already."""
    return [str(file.resolve()) for file in sorted(options.clips.iterdir())][: options.files]


def lines(row: str, sides: Sequence[list[Usage]]) -> Iterator[str]:
    """What the measurements of a row say."""
    figures: dict[str, tuple[str, Callable[[Usage], float]]] = {row: ("CPU s", lambda used: used.cpu_s)}
    if row == "one":
        figures[row] = ("wall s", lambda used: used.wall_s)
    if row in ("run", "demo", "score"):  # files per second are of wall time
        figures[f"{row}, wall"] = ("s", lambda used: used.wall_s)
    if row in ("run", "demo"):
        figures[f"{row}, peak memory"] = ("MiB", lambda used: used.peak_mib)
        for step in STEPS:
            figures[f"{row}, step {step}"] = ("CPU s", lambda used, step=step: used.steps.get(step, 0.0))  # type: ignore[misc]
    for name, (unit, figure) in figures.items():
        before, after = ([figure(used) for used in side] for side in sides)
        if not all(before):
            continue
        ratios = [new / old for old, new in zip(before, after, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        middle = f"{statistics.median(before):.1f} -> {statistics.median(after):.1f} {unit}"
        yield f"{name:28} {middle:32} ratio {spread}, {len(ratios)} pairs"


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--videos", default="", help="folder of clips for row run")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--files", type=int, default=300, help="clips for row score")
    parser.add_argument(
        "--clips", type=Path, help="folder of clips for rows score and one, which are rendered otherwise"
    )
    parser.add_argument("--json", type=Path, help="keep every measurement in this file")
    parser.add_argument("--set", action="append", default=[], help="for the runs")
    options = parser.parse_args()
    adopt_orphans()
    overrides = [word for entry in options.set for word in ("--set", entry)]
    codes = (options.before.resolve(), PROJECT)
    found: dict[str, list[list[Usage]]] = {}
    with tempfile.TemporaryDirectory(prefix="speed-") as place:
        rows = options.rows.split(",")
        files = []
        if {"score", "one"} & set(rows):
            files = render(Path(place) / "clips", options.files) if options.clips is None else listed(options)
        bench = Bench(Path(place), str(Path(options.videos).resolve()), files, overrides)
        if files:
            for code in codes:
                print(f"a student of {code.name} is trained", file=sys.stderr, flush=True)
                bench.student(code)
        for row in rows:
            sides: list[list[Usage]] = [[], []]
            for _ in range(options.repeat):
                for side, name, code in zip(sides, ("before", "now"), codes, strict=True):
                    side.append(bench.run(code, row))
                    print(
                        f"{row} {name}: {side[-1].cpu_s:.1f} CPU s, {side[-1].wall_s:.1f} s",
                        file=sys.stderr,
                        flush=True,
                    )
            found[row] = sides
            print("\n".join(lines(row, sides)), flush=True)
            if options.json is not None:
                facts = {row: [[vars(used) for used in side] for side in sides] for row, sides in found.items()}
                options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
