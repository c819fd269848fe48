"""Whether a student's figures on the proxy benchmarks belong to the benchmark and the student that lie in the folder now.

A run that is begun again, with another seed for example, makes its benchmark anew long before it evaluates its students. Until
then their old scores lie beside new copies of the same ids, and joined by id they would give figures of neither.
"""

from __future__ import annotations

from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import read_manifest


def evaluated(layout: RunLayout, number: int) -> bool:
    """Whether the evaluation of a round is committed, and of what the steps before it have made since.

    Its manifest names the figures of the teachers that it was made with, and theirs the benchmark. Only these tables, which
    are small, are read; what a manifest says of the student is compared with that of its training.

    Raises:
        StoreError: A manifest is damaged.
    """
    steps = [layout.manifest(name) for name in (f"evaluate-{number}", "benchmark-teachers", f"train-{number}")]
    if not all(step.is_file() for step in steps):
        return False
    one, teachers, training = (read_manifest(step) for step in steps)
    student = training.outputs.get(str(layout.student(number)).removeprefix(f"{layout.root}/"))
    if student is None or one.inputs.get("student") != student:
        return False
    made = [(layout.root / name, digest) for name, digest in one.outputs.items()]
    used = [(layout.benchmark(suite), teachers.inputs.get(suite)) for suite in SUITES]
    used.append((layout.benchmark_teachers, one.inputs.get("teachers")))
    digests = Digests(layout)
    try:
        return all(digests.of(place) == digest for place, digest in made + used)
    except FileNotFoundError:  # being made again
        return False
