"""The service under load: many clients on loopback, each with one request after the other, while replicas are killed.

    python benchmarks/serve.py MODEL --clients 1 4 16 64 --seconds 600

starts `run.py serve` with the student MODEL and sends short clips, no two of them with the same bytes, so that nothing is
answered from memory. The last number of clients works for `--seconds`, the ones before it for a tenth of that each. In the
middle of the last part one replica of each kind is killed. Printed are requests, latencies and memory; the exit code is 1
if a request was lost, got the score of another clip, or left a file behind.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import itertools
import json
import os
import re
import secrets
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from actors.media.scenes import make_clip

KINDS = ("HeaderReader", "Sampler", "FolderEncoder", "SecondsScorer")
CLIPS = 4
SAMPLE_S = 2.0
SAME = 1e-3  # points: windows that are encoded together round differently
_PAGE = re.compile(r"http://127\.0\.0\.1:(\d+)/")


@dataclass
class Load:
    """What the clients have seen. `lost` holds a line for each request without its own score."""

    latencies: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    refused: int = 0


@dataclass
class Service:
    """The service that is measured."""

    process: subprocess.Popen[str]
    port: int

    def memory_mib(self) -> float:
        """Memory of all its processes; what they share is counted once (proportional set size)."""
        total = 0
        for one in (self.parent, *self.parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
        return total / 2**20

    @property
    def parent(self) -> psutil.Process:
        """The process of the command."""
        return psutil.Process(self.process.pid)

    def replicas(self) -> dict[str, list[psutil.Process]]:
        """Processes by the kind of replica."""
        found: dict[str, list[psutil.Process]] = {kind: [] for kind in KINDS}
        for one in self.parent.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                title = " ".join(one.cmdline())
                for kind in KINDS:
                    if title.startswith("ray::ServeReplica") and kind in title:
                        found[kind].append(one)
        return found

    def kill_replicas(self) -> list[str]:
        """Kill one replica of each kind; return the kinds."""
        killed = []
        for kind, processes in self.replicas().items():
            for one in processes[:1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)
                    killed.append(kind)
        return killed

    def health(self) -> dict[str, Any]:
        """What it says of itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/health")
            facts: dict[str, Any] = json.loads(connection.getresponse().read())
            return facts


@contextlib.contextmanager
def started(model: str, options: list[str], temporary: Path) -> Iterator[Service]:
    """Start `run.py serve` on a free port and end it."""
    command = [sys.executable, str(PROJECT / "run.py"), "serve", model, "--port", "0", *options]
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            found = _PAGE.search(line)
            if found:
                threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
                yield Service(process, int(found[1]))
                break
        else:
            sys.exit("the service did not start:\n" + "".join(said))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def unique(clip: bytes) -> bytes:
    """The same clip with other bytes: a box that no reader looks into follows it."""
    note = secrets.token_bytes(16)
    return clip + struct.pack(">I4s", 8 + len(note), b"free") + note


class Clients:
    """Clients that send clips until they are told to stop.

    Args:
        port: Of the service.
        clips: Clips; each has a score of its own.
        per_second: Ask for curves.
    """

    def __init__(self, port: int, clips: list[bytes], per_second: bool) -> None:
        self._port = port
        self._clips = clips
        self._query = f"per_second={str(per_second).lower()}"
        self._numbers = itertools.count()
        self._scores: dict[int, float] = {}
        self._lock = threading.Lock()

    def run(self, count: int, seconds: float, middle: Any = None) -> Load:
        """Let `count` clients work for some seconds, and finish what they have begun; call `middle` at half time."""
        load, end = Load(), time.monotonic() + seconds
        threads = [threading.Thread(target=self._work, args=(load, end)) for _ in range(count)]
        for thread in threads:
            thread.start()
        if middle is not None:
            time.sleep(seconds / 2)
            middle()
        for thread in threads:
            thread.join()
        return load

    def _work(self, load: Load, end: float) -> None:
        while time.monotonic() < end:
            with self._lock:
                number = next(self._numbers) % len(self._clips)
            body, start = unique(self._clips[number]), time.monotonic()
            try:
                status, facts = self._ask(body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, facts = 0, {"error": {"message": f"{type(error).__name__}: {error}"}}
            if status == 503:
                load.refused += 1
                time.sleep(1)
                continue
            problem = self._problem(number, body, status, facts)
            if problem:
                load.lost.append(problem)
            else:
                load.latencies.append(time.monotonic() - start)

    def _ask(self, body: bytes) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        with contextlib.closing(connection):
            connection.request("POST", f"/api/scores?name=clip.mp4&{self._query}", body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def _problem(self, number: int, body: bytes, status: int, facts: dict[str, Any]) -> str:
        """Why an answer is not that of this request; empty if it is."""
        if status != 200:
            return f"status {status}: {facts['error']['message']}"
        if facts["kept"] or facts["id"] != hashlib.sha256(body).hexdigest()[:16]:
            return "the answer is about other bytes"
        score = facts["score"]["score"]
        with self._lock:
            known = self._scores.setdefault(number, score)
        return "" if abs(score - known) < SAME else f"clip {number} scored {score}, before {known}"


class Memory:
    """Samples the memory of a service in a thread until the block ends."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.samples: list[tuple[float, float]] = []  # seconds, MiB

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        start = time.monotonic()
        while not self._done.wait(SAMPLE_S):
            with contextlib.suppress(psutil.Error):
                self.samples.append((time.monotonic() - start, self._service.memory_mib()))

    def facts(self) -> dict[str, float]:
        """Means over the second and the last fifth, the peak, and the growth per minute over the last three fifths."""
        if len(self.samples) < 10:
            return {"peak_mib": max((mib for _, mib in self.samples), default=0.0)}
        times, mib = np.array(self.samples).T
        fifth = len(mib) // 5
        slope = float(np.polyfit(times[2 * fifth :] / 60, mib[2 * fifth :], 1)[0])
        return {
            "early_mib": float(mib[fifth : 2 * fifth].mean()),
            "late_mib": float(mib[-fifth:].mean()),
            "peak_mib": float(mib.max()),
            "growth_mib_per_minute": slope,
        }


def report(count: int, load: Load, seconds: float) -> dict[str, Any]:
    """One line about a number of clients, and its figures."""
    facts: dict[str, Any] = {
        "clients": count,
        "answered": len(load.latencies),
        "lost": load.lost,
        "refused": load.refused,
    }
    facts["per_s"] = len(load.latencies) / seconds
    if load.latencies:
        median, p95, p99, most = np.percentile(load.latencies, [50, 95, 99, 100]).tolist()
        facts |= {"p50_s": median, "p95_s": p95, "p99_s": p99, "max_s": most}
        print(
            f"{count:4d} clients: {len(load.latencies):6d} answered, {len(load.lost)} lost, {load.refused} refused, "
            f"{facts['per_s']:6.2f} per s, latency p50 {median:6.2f} p95 {p95:6.2f} p99 {p99:6.2f} max {most:6.2f} s",
            flush=True,
        )
    for problem in load.lost[:5]:
        print(f"  lost: {problem}", flush=True)
    return facts


def clips_below(folder: Path, width: int, height: int, seconds: float) -> list[bytes]:
    """Clips of different content and quality."""
    clips = []
    for index in range(CLIPS):
        path = folder / f"clip-{index}.mp4"
        make_clip(index, 3, path, width, height, seconds, 15.0)
        clips.append(path.read_bytes())
    return clips


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--size", default="320x240", help="of the clips")
    parser.add_argument("--length", type=float, default=2.0, help="of the clips, seconds")
    parser.add_argument("--per-second", action="store_true", help="ask for curves, too")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument(
        "--serve", metavar="OPTION", nargs="*", default=[], help="options of `run.py serve`, as name=value"
    )
    return parser.parse_args()


def main() -> int:
    """Measure; 0 if nothing was lost."""
    options = arguments()
    width, _, height = options.size.partition("x")
    with tempfile.TemporaryDirectory(prefix="w2s-load-", ignore_cleanup_errors=True) as name:
        temporary = Path(name)
        clips = clips_below(temporary, int(width), int(height), options.length)
        begun = time.monotonic()
        with started(options.model, [f"--{one}" for one in options.serve], temporary) as service:
            print(f"started in {time.monotonic() - begun:.0f} s", flush=True)
            clients = Clients(service.port, clips, options.per_second)
            clients.run(1, 0.1)
            *before, last = options.clients
            rows = [report(n, clients.run(n, options.seconds / 10), options.seconds / 10) for n in before]
            killed: list[str] = []
            with Memory(service) as memory:
                load = clients.run(last, options.seconds, lambda: killed.extend(service.kill_replicas()))
            rows.append(report(last, load, options.seconds))
            facts = memory.facts()
            left = [str(path) for path in temporary.glob("w2s-upload-*/*")]
            health = service.health()
    print(f"killed at half time: {', '.join(killed)}; now {health['status']}: {health['replicas']}")
    print("memory: " + ", ".join(f"{name} {value:.1f}" for name, value in facts.items()))
    print(f"files of uploads left: {len(left)}")
    found = {
        "levels": rows,
        "killed": killed,
        "memory": facts,
        "left": left,
        "health": health,
        "samples": memory.samples,
    }
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1), encoding="utf-8")
    return int(bool(left or any(row["lost"] for row in rows)))


if __name__ == "__main__":
    sys.exit(main())
