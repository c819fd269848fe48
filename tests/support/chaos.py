"""A run on a cluster whose workers, actors, nodes and driver are killed: ``python chaos.py CONFIG FOLDER SEED [FAULTS]``.

Starts Ray nodes of its own, runs ``run.py --config CONFIG --out FOLDER`` on them, and does what a seeded generator says, in
steps that it draws: it kills a worker process, an actor in the middle of its work, a whole node (another one joins) or the
driver. Whenever the command has ended before its time, the same command is started again, as its user would. At the end it
prints what it did, one JSON object.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from patient import add_node, start_cluster

from pipeline.run_folder.layout import RunLayout

PROJECT = Path(__file__).resolve().parents[2]
FAULTS = ("worker", "actor", "node", "driver")
STEPS = ("ingest", "score", "benchmark", "distort-1", "train-1", "judge-1", "distort-2", "mine-1")
STEPS += ("train-2", "distort-3", "train-3")
DELAY_S = (0.0, 4.0)  # of a fault after the beginning of its step
MOST_STARTS = 16  # of the command


class Chaos:
    """The cluster, the command, and what happened to them."""

    def __init__(self, config, folder, seed, faults):
        self.random = random.Random(seed)
        kinds = [FAULTS[k % len(FAULTS)] for k in range(faults)]  # every kind at least once
        self.random.shuffle(kinds)
        places = sorted(self.random.sample(range(len(STEPS)), faults))
        self.plan = [(STEPS[place], kind) for place, kind in zip(places, kinds, strict=True)]
        self.layout = RunLayout(Path(folder))
        self.line = [sys.executable, str(PROJECT / "run.py"), "--config", config, "--out", folder]
        self.log = Path(folder).with_suffix(".log")
        self.cluster = start_cluster(num_cpus=2)
        self.node = add_node(self.cluster, num_cpus=2)
        self.done, self.starts, self.codes = [], 0, []
        self.driver = None

    def start(self):
        """Start the command, again if need be."""
        self.starts += 1
        assert self.starts <= MOST_STARTS, f"the command ended {MOST_STARTS} times: see {self.log}"
        with self.log.open("ab") as log:
            self.driver = subprocess.Popen(
                [*self.line, "--address", self.cluster.address], stdout=log, stderr=log, start_new_session=True
            )

    def run(self):
        """Go on until the command has finished by itself."""
        self.start()
        due = None
        while True:
            code = self.driver.poll()
            if code == 0:
                return
            if code is not None:
                self.codes.append(code)
                self.start()
            if self.plan and due is None and self.reached(self.plan[0][0]):
                due = time.monotonic() + self.random.uniform(*DELAY_S)
            if due is not None and time.monotonic() > due and self.strike(self.plan[0][1]):
                step, kind = self.plan.pop(0)
                self.done.append(f"{kind} in {step}")
                due = None
            time.sleep(0.1)

    def reached(self, step):
        """Whether a step has begun, or is over already."""
        return self.layout.started(step).is_file() or self.layout.manifest(step).is_file()

    def strike(self, kind):
        """Do one fault; False if there is nothing yet that it could meet."""
        if kind == "driver":
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
        elif kind == "node":
            if not any(busy for _, busy in self.workers()):
                return False
            self.cluster.remove_node(self.node, allow_graceful=False)
            self.node = add_node(self.cluster, num_cpus=2)
        else:
            found = [process for process, busy in self.workers() if busy == (kind == "actor")]
            if not found:
                return False
            found[self.random.randrange(len(found))].kill()
        return True

    @staticmethod
    def workers():
        """Ray's worker processes below this one, and whether each is an actor or in the middle of a task."""
        found = []
        for process in psutil.Process().children(recursive=True):
            try:
                title = process.cmdline()[:1]
            except psutil.Error:
                continue
            if title and title[0].startswith("ray::"):
                found.append((process, not title[0].startswith("ray::IDLE")))
        return sorted(found, key=lambda pair: pair[0].pid)


def main(config, folder, seed, faults="8"):
    """Run, and tell."""
    chaos = Chaos(config, folder, int(seed), int(faults))
    began = time.monotonic()
    try:
        chaos.run()
    finally:
        if chaos.driver is not None and chaos.driver.poll() is None:
            os.killpg(chaos.driver.pid, signal.SIGKILL)
        chaos.cluster.shutdown()
    facts = {"done": chaos.done, "left": chaos.plan, "starts": chaos.starts, "codes": chaos.codes}
    print(json.dumps({**facts, "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
