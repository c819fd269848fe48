"""Manifests as the steps of an evaluated round leave them, of the tables that lie in a folder made by hand."""

from __future__ import annotations

from dataclasses import asdict

from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.digests import digest
from pipeline.run_folder.manifest import Manifest
from pipeline.run_folder.store import exists, write_json


def commit_evaluation(layout, number):
    """Write the manifests of training, of the teachers' benchmark and of the evaluation of a round."""

    def manifest(step, inputs, outputs):
        write_json(layout.manifest(step), asdict(Manifest(step, "", inputs, outputs, 1.0)))

    below = len(str(layout.root)) + 1
    made = [one for one in (layout.metrics(number), layout.benchmark_student_scores(number)) if exists(one)]
    student, teachers = f"student {number}", digest(layout.benchmark_teachers)
    manifest(f"train-{number}", {}, {str(layout.student(number))[below:]: student})
    manifest("benchmark-teachers", {suite: digest(layout.benchmark(suite)) for suite in SUITES}, {})
    manifest(
        f"evaluate-{number}",
        {"student": student, "teachers": teachers},
        {str(one)[below:]: digest(one) for one in made},
    )
