"""The table is the only place that defines a distortion: everything else derives from a row and a function."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from actors.distortions import table
from actors.distortions.table import DISTORTIONS, FAMILIES
from pipeline.settings.sections import SECOND, SEEN, UNSEEN, FamilyCounts

ROOT = Path(__file__).parents[3]

TOY = """
import numpy as np

def toy(value, setting):
    return lambda frame: np.full_like(frame, int(value))
"""

# The row is added before anything else of the project is imported, as if it stood in the table's source.
WITH_A_ROW = """
import sys
from actors.distortions.table import DISTORTIONS, Distortion, family_of

DISTORTIONS["toy"] = Distortion("toy", "spatial", {suite!r}, (40, 90), "grey level", "a test", 7.5, "toy_module")

import run
from actors.distortions.apply import apply
from pipeline.costs.rates import built_in, make
from pipeline.settings.config import load

clip, copy, run_folder = sys.argv[1:]
switch = {switch!r}
config = load("demo", overrides=switch)
assert family_of("toy") == "spatial"
print("trained", "toy" in config.distort.enabled, "order", ",".join(config.distort.enabled))
print("benchmarks", "toy" in config.benchmark.seen, "toy" in config.benchmark.unseen)
print("cost", built_in().cpu_seconds(make("toy", config.distort.x265_preset)))
apply("toy", 2, clip, 0.0, 0.3, copy, 1)
code = run.main(["plan", "--preset", "demo", "--out", run_folder, *(word for one in switch for word in ("--set", one))])
assert code == 0
"""


@pytest.mark.parametrize(
    ("suite", "switch", "trained", "benchmarks"),
    [("train", [], True, (True, False)), ("unseen", [], False, (False, True)),
     ("extra", ["distort.types.toy=true"], True, (False, False)), ("extra", [], False, (False, False))],
)  # fmt: skip
def test_a_row_and_a_function_are_a_distortion(suite, switch, trained, benchmarks, clip, tmp_path):
    (tmp_path / "toy_module.py").write_text(TOY, encoding="ascii")
    copy = tmp_path / "copy.mkv"
    script = WITH_A_ROW.format(suite=suite, switch=switch)
    done = subprocess.run(
        [sys.executable, "-c", script, str(clip), str(copy), str(tmp_path / "run")],
        capture_output=True, text=True, check=False, cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    enabled = lines[0].split("order ")[1].split(",")
    assert lines[0].startswith(f"trained {trained} ")
    if trained:
        place = enabled.index("toy")
        before, after = enabled[:place], enabled[place + 1 :]
        assert enabled == [*before, "toy", *after]
        if suite == "train":
            assert (before[-1], after[0]) == ("brighten", "jitter"), "types come family by family"
    assert lines[1] == f"benchmarks {benchmarks[0]} {benchmarks[1]}"
    assert lines[2] == "cost 7.5"
    row = next(line for line in lines if line.strip().startswith("toy "))
    uses = [
        use
        for use, has in zip(("training", "benchmark seen", "benchmark unseen"), (trained, *benchmarks), strict=True)
        if has
    ]
    assert " ".join(row.split()) == f"toy {', '.join(uses) or 'off'} 40 90 grey level"
    assert _mean(copy) == pytest.approx(90, abs=2)


def _mean(path):
    import ffmpeg as graph

    from actors.media import ffmpeg

    header = ffmpeg.probe(path)
    node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    frames = list(ffmpeg.read_frames(node, header.width, header.height, timeout_s=60))
    assert len(frames) > 1
    return float(sum(frame.mean() for frame in frames) / len(frames))


def test_every_row_names_a_function_and_a_cost():
    for name, row in DISTORTIONS.items():
        assert row.name == name
        assert callable(getattr(importlib.import_module(row.module), name))
        assert row.cpu_s > 0
        assert row.family in FAMILIES
        assert len(row.levels) >= 3


def test_the_names_and_their_order_decide_identities_and_stay():
    assert SEEN == (
        "resize", "gaussian_blur", "gaussian_noise", "darken", "brighten", "jitter", "stutter", "h264", "h265",
    )  # fmt: skip
    assert UNSEEN == ("vp9", "av1", "mpeg2", "mjpeg", "denoise", "noise_h264", "frame_drop")
    assert SECOND == ("banding", "oversharpen", "colour_shift", "frame_rate", "rebuffer", "vp9", "av1", "packet_loss")


def test_counts_are_given_for_every_family_and_no_other():
    assert tuple(FamilyCounts.model_fields) == FAMILIES == ("spatial", "temporal", "streaming")


def test_reading_the_table_loads_no_media_library():
    code = "import sys, actors.distortions.table; print([name for name in ('cv2', 'ffmpeg') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_manual_names_every_distortion_with_its_levels():
    manual = (ROOT / "docs" / "corpus.md").read_text(encoding="utf-8")
    for row in DISTORTIONS.values():
        assert f"`{row.name}`" in manual
        levels = " ".join(f"{level:g}" for level in row.levels)
        if row.suite != "unseen":
            assert f"| `{row.name}` | {row.family} | {levels} |" in manual, row.name


def test_suites_part_the_table():
    names = [row.name for suite in ("train", "unseen", "extra") for row in table.suite(suite)]
    assert sorted(names) == sorted(DISTORTIONS)
    assert {row.name for row in table.optional()} & set(SEEN) == set()
