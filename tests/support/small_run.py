"""A finished run of two stages, made by hand in a second: every table that the report reads, around one real clip.

Texts that come from outside hold `HOSTILE`, which must never become an element of a page.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
from committed import commit_evaluation

from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.records import (
    BENCHMARK,
    DISTORTED,
    INDICATORS,
    MINED,
    PREFERENCES,
    QUARANTINE,
    SCORES,
    STUDENT_SCORES,
    VIDEOS,
    Mined,
    Quarantine,
    TeacherScore,
)
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import append_shard, write_bytes, write_json, write_table
from pipeline.settings.config import load

HOSTILE = "<mark>5 < 6</mark>"
HOSTILE_FILE = '<mark>5 < 6 & "7".mp4'
TEACHERS = {"niqe": -1.0, "brisque": 1.0}  # and the sign of its scores
SOURCES, LEVELS, DISTORTION = 5, 4, {"seen": "h264", "unseen": "mpeg2"}
POOL = 8
LABELS = ("inferior", "worse", "similar", "better", "superior")


def small_run(root, clip):
    """Write the run below `root` and return its layout.

    Args:
        root: Folder.
        clip: A video file, which all videos of the run are.
    """
    run = RunLayout(root / "small-run")
    corpus = root / "corpus"
    corpus.mkdir(parents=True)
    names = [HOSTILE_FILE, *(f"holiday {k}.mp4" for k in range(1, POOL + SOURCES))]
    for name in names:
        shutil.copy(clip, corpus / name)
    write_bytes(run.config, load(seed=3).to_yaml().encode())
    windows = [_window(f"v{k}", corpus / name, "train" if k < POOL else "heldout") for k, name in enumerate(names)]
    _write(run.videos, VIDEOS, windows)
    _pool(run)
    _benchmarks(run, windows[POOL:])
    write_json(run.benchmark_teachers, {})
    for number in (1, 2):
        write_json(run.metrics(number), _metrics(number))
    _mined(run, windows[0])
    causes = [
        Quarantine("ingest", str(k), HOSTILE, kind, f"{HOSTILE} is damaged")
        for k, kind in enumerate(("empty", "decode", "decode", "format", "timeout", "duplicate", "no_video", "colour"))
    ]
    write_table(run.quarantine, QUARANTINE.table(causes), QUARANTINE)
    steps = Steps(run, Console())
    for k, name in enumerate(("ingest", "score", "ensemble", "benchmark", "train", "judge")):
        work = {"rows": 10 * k or None, "what": HOSTILE}
        steps.run(Step(name, {}, [run.config], lambda work=work: work, [run.config]))
    steps.run(Step("report", {}, [run.quarantine], dict, [run.quarantine]))
    for number in (1, 2):
        commit_evaluation(run, number)
    return run


def _write(path, kind, rows):
    empty = dict.fromkeys(kind.schema.names)
    write_table(path, kind.table([{**empty, **row} for row in rows]), kind)


def _window(name, path, split):
    plain = {"start_s": 0.0, "duration_s": 0.0, "content_id": name, "round": 1, "copy": 0, "recipe": "", "status": "ok"}
    return {**plain, "video_id": name, "uri": str(path), "split": split}


def _pool(run):
    quality = np.arange(POOL, dtype=float)
    for teacher, sign in TEACHERS.items():
        rows = [TeacherScore(f"v{k}", teacher, "new", sign * value, "ok") for k, value in enumerate(quality)]
        rows += [TeacherScore("v0", teacher, "old", 99.0, "ok"), TeacherScore("gone", teacher, "new", None, "failed")]
        append_shard(run.scores(teacher), SCORES.table(rows), SCORES)
    lines = {
        name: {
            "kind": "linear",
            "parameters": [10 * sign, 10.0],
            "rmse": 4.2,
            "srcc": 0.9,
            "agreement": 0.9,
            "reason": HOSTILE,
            "curve": [[0.0, 10.0], [7.0, 80.0]] if sign > 0 else [[-7.0, 80.0], [0.0, 10.0]],
        }
        for name, sign in TEACHERS.items()
    }
    write_json(run.calibration, {"target": "consensus", "excluded": {"piqe": HOSTILE}, "teachers": lines})
    _write(run.student_scores(1), STUDENT_SCORES, [
        {"video_id": f"v{k}", "round": 1, "raw": 0.0, "std": 1.0, "score": 50.0 - k} for k in range(POOL)
    ])  # fmt: skip
    random = np.random.default_rng(0)
    names = [name for name in INDICATORS.schema.names if name != "video_id"]
    _write(run.indicators, INDICATORS, [
        {"video_id": f"v{k}", **dict(zip(names, random.random(len(names)).tolist(), strict=True))} for k in range(POOL)
    ])  # fmt: skip


def _benchmarks(run, heldout):
    """Copies whose VMAF falls with the level; niqe follows it, brisque does not, and the student knows it."""
    random = np.random.default_rng(1)
    scores = {name: [] for name in (*TEACHERS, 1, 2)}
    for suite, distortion in DISTORTION.items():
        rows = [
            {
                **{name: source[name] for name in ("uri", "start_s", "duration_s", "status")},
                "video_id": f"{suite}-{source['video_id']}-{level}",
                "source_id": source["video_id"],
                "recipe": json.dumps([[distortion, level, 0]]),
                "distortion": distortion,
                "level": level,
                "mos": 100.0 - 20 * level - place,
            }
            for place, source in enumerate(heldout)
            for level in range(1, LEVELS + 1)
        ]
        _write(run.benchmark(suite), BENCHMARK, rows)
        for row in rows:
            for name, noise in (("niqe", 12), ("brisque", 60), (1, 9), (2, 6)):
                value = row["mos"] + noise * random.normal()
                scores[name].append((row["video_id"], value * TEACHERS.get(name, 1.0)))
    for name, values in scores.items():
        if name in TEACHERS:
            rows = [TeacherScore(video, name, "new", value, "ok") for video, value in values]
            append_shard(run.benchmark_scores(name), SCORES.table(rows), SCORES)
        else:
            _write(run.benchmark_student_scores(name), STUDENT_SCORES, [
                {"video_id": video, "round": name, "raw": value / 50, "std": 1.0, "score": value} for video, value in values
            ])  # fmt: skip


def _figures(value):
    return dict.fromkeys(("srcc", "plcc", "within", "pair_accuracy"), value)


def _metrics(number):
    benchmarks = {
        suite: {
            "count": SOURCES * LEVELS,
            "teachers": {"niqe": _figures(0.5), "brisque": _figures(None), "ensemble": _figures(0.75)},
            "student": _figures(0.6 + 0.1 * number),
            "student_by_distortion": {DISTORTION[suite]: 0.5},
        }
        for suite in DISTORTION
    }
    loss = [
        {"step": step + 1, "ce": 1.0, "entropy": 1.0, "lambda": step / 1000, "loss": 2.0 - step / 1000}
        for step in range(1000)
    ]
    labels = {"synthetic": {"better": 3, "worse": 4}, HOSTILE: {"similar": 5}}
    return {"round": number, "train": {"loss": loss}, "labels": labels, "benchmarks": benchmarks}


def _mined(run, source):
    """Two games, of which the second is the wider, one with a video that no table knows, and one misjudged pair."""
    games = [
        Mined("v0", "v7", "gmad", "student", "niqe", 1, 5.0, 0.1),
        Mined("v1", "v6", "gmad", "niqe", "student", 1, -9.0, 0.1),
        Mined("v1", "v2", "gmad", "niqe", "student", 1, 1.0, 0.1),
        Mined("v3", "unknown", "gmad", "student", "brisque", 1, 0.5, 0.1),
        Mined("blur-1", "blur-3", "missed", None, None, None, None, None),
    ]
    write_table(run.mined(1), MINED.table(games), MINED)
    answer = dict(zip(LABELS, (0.05, 0.05, 0.1, 0.7, 0.1), strict=True))
    _write(run.mined_answers(1), PREFERENCES, [{"first": "blur-1", "second": "blur-3", **answer}])
    _write(run.distorted(2), DISTORTED, [
        {
            **{name: source[name] for name in ("uri", "start_s", "duration_s", "status")},
            "video_id": f"blur-{level}",
            "source_id": source["video_id"],
            "recipe": json.dumps([["gaussian_blur", level, 0]]),
            "distortion": "gaussian_blur",
            "family": "spatial",
            "level": level,
            "still": False,
            "seed": 0,
        }
        for level in (1, 2, 3)
    ])  # fmt: skip
