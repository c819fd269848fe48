"""Shaping as steps of a run: from candidates and indicators to the corpus, without a decode."""

from __future__ import annotations

import json

import numpy as np
import pytest

from actors.indicators import INDICATORS as ROWS
from actors.media import ffmpeg
from cluster.in_process import InProcess
from pipeline.console import Console, UserError
from pipeline.corpus.members import HELDOUT, TRAIN
from pipeline.corpus.rules import short_id
from pipeline.corpus.windows import windows_of
from pipeline.look.chain import pools
from pipeline.look.look import look_settings
from pipeline.planning.forecast import forecast, states
from pipeline.report.data import gather
from pipeline.report.figures import charts
from pipeline.report.page import render
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import INDICATORS, OBSERVED, SCORES, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows
from pipeline.run_folder.store import append_shard, read_json, read_shards, read_table, write_bytes, write_table
from pipeline.settings.config import load
from pipeline.steps import score, shape
from pipeline.steps.ingest import destination

COUNT = 60
FINE = {"status": "ok", "error_kind": "", "error": ""}


def asked(config, layout):
    """A run whose actors work in this process."""
    return Run(config, layout, Console(), InProcess())


def shaped(*overrides):
    return load("demo", overrides=["shaping.keep=20", "corpus.degraded_copies=1", *overrides])


@pytest.fixture
def layout(tmp_path):
    """Candidates of 60 files with random indicators; the first training window could not be decoded."""
    run = RunLayout(tmp_path / "run")
    facts = {"width": 64, "height": 64, "fps": 10.0, "codec": "h264", "bytes": 1, "duration_s": 2.0}
    probed = [
        {"video_id": short_id(k), "uri": f"f{k}", "content_id": short_id("c", k), **facts, **FINE} for k in range(COUNT)
    ]
    write_table(run.candidates, VIDEOS.table(windows_of(probed, shaped())), VIDEOS)
    ids = [row["video_id"] for row in shape.candidates(run).to_pylist()]
    values = np.random.default_rng(0).normal(size=(len(ids), len(ROWS)))
    rows = [
        {"video_id": video, **dict(zip(ROWS, line, strict=True))}
        for video, line in zip(ids[1:], values[1:].tolist(), strict=True)
    ]
    write_table(run.indicators, INDICATORS.table(rows), INDICATORS)
    facts = {"width": 64, "height": 64, "vmaf": None}
    broken = {"video_id": ids[0], **facts, "status": "failed", "error_kind": "decode", "error": "f0: no frame"}
    append_shard(run.observed("candidates"), OBSERVED.table([broken]), OBSERVED)
    return run


def test_the_corpus_is_the_chosen_windows_with_their_copies_and_all_held_out_ones(layout):
    before = read_table(layout.candidates, VIDEOS).to_pylist()
    summary = shape.shape(asked(shaped(), layout))
    after = read_table(layout.videos, VIDEOS).to_pylist()
    assert summary["rows"] == len(after)
    windows = {
        row["video_id"]: row for row in after if row["split"] == TRAIN and row["copy"] == 0 and row["status"] == "ok"
    }
    copies = [row for row in after if row["copy"] == 1]
    assert len(windows) == len(copies) == 20
    assert {(row["content_id"], row["round"]) for row in copies} == {
        (row["content_id"], row["round"]) for row in windows.values()
    }, "a copy follows its window, into the same round"
    assert {row["round"] for row in windows.values()} == {1, 2, 3}
    assert [row for row in after if row["split"] == HELDOUT] == [row for row in before if row["split"] == HELDOUT]
    failed = [row for row in after if row["status"] == "failed"]
    assert [row["error"] for row in failed] == ["f0: no frame"], "what could not be measured goes to quarantine"


def test_shaping_json_tells_what_was_reached_and_is_a_target_itself(layout, tmp_path):
    shape.shape(asked(shaped(), layout))
    figures = read_json(layout.shaping)
    assert figures["keep"] == 20
    assert figures["misplaced_after"] < figures["misplaced_before"]
    assert list(figures["indicators"]) == list(ROWS)
    for one in figures["indicators"].values():
        assert len(one["edges"]) == len(one["shares"]) + 1 == 11
        for part in ("shares", "before", "after"):
            assert sum(one[part]) == pytest.approx(1)
    first = read_table(layout.videos, VIDEOS)
    shape.shape(asked(shaped(f"shaping.target={layout.shaping}"), layout))
    assert read_table(layout.videos, VIDEOS).equals(first)


def test_a_reference_corpus_is_a_target(layout, tmp_path):
    rows = read_table(layout.indicators, INDICATORS).to_pylist()
    bright = [{**row, "luminance": abs(row["luminance"])} for row in rows]
    write_table(tmp_path / "reference.parquet", INDICATORS.table(bright), INDICATORS)
    shape.shape(asked(shaped(f"shaping.target={tmp_path / 'reference.parquet'}", "shaping.bins=4"), layout))
    one = read_json(layout.shaping)["indicators"]["luminance"]
    wrong = [np.abs(np.subtract(one[part], one["shares"])).sum() for part in ("before", "after")]
    assert wrong[1] < 0.5 * wrong[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "indicators"),
        ('{"indicators": {"sharpness": {}}}', "'sharpness' is not an indicator"),
        ('{"indicators": {"si": {"edges": [0, 1]}}}', "list of edges and a list of shares"),
        ('{"indicators": {"si": {"edges": [0, 1, 2], "shares": [0.5, 0.6]}}}', "add up to 1.1"),
        ("nonsense", "not valid JSON"),
    ],
)
def test_a_wrong_target_is_told_in_one_line(text, message, layout, tmp_path):
    path = tmp_path / "target.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        shape.shape(asked(shaped(f"shaping.target={path}"), layout))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_target_that_is_missing_is_told_before_anything_is_measured(tmp_path):
    with pytest.raises(UserError, match=r"none\.json: no such file; name .* or use uniform"):
        states(asked(shaped("shaping.target=none.json"), RunLayout.at(tmp_path)))


def test_shaping_is_off_by_default_and_indicators_ride_along(tmp_path):
    layout = RunLayout.at(tmp_path)
    plain, off = load("demo"), load("demo", overrides=["shaping.measure=false"])
    assert plain.shaping.keep is None
    assert destination(plain, layout) == layout.videos
    assert "measure" not in states(asked(plain, layout))
    decoding = [
        [
            pool.options["measure"]
            for pool in pools(config, score.look(asked(config, layout)))
            if "measure" in pool.options
        ]
        for config in (plain, off)
    ]
    assert decoding == [[True], [False]]
    assert "indicators" not in look_settings(score.look(asked(off, layout)), off)


def test_the_plan_counts_candidates_and_what_is_kept(tmp_path):
    config = load("demo", overrides=["corpus.made_clips=40", "corpus.degraded_copies=0", "shaping.keep=12"], stages=1)
    plans = {one.name: one for one in forecast(asked(config, RunLayout.at(tmp_path)))}
    assert list(plans)[:4] == ["ingest", "measure", "shape", "score"]
    assert (plans["measure"].rows, plans["score"].rows) == (Rows(30), Rows(12))
    assert plans["measure"].seconds > 0


def test_the_report_shows_before_after_and_target(layout):
    config = shaped()
    write_bytes(layout.config, config.to_yaml().encode())
    shape.shape(asked(config, layout))
    drawn = charts(gather(layout))["indicators"]
    assert [chart.title for chart in drawn] == list(ROWS)
    assert all([trace["name"] for trace in chart.figure["data"]] == ["before", "after", "target"] for chart in drawn)
    assert "20 of 44 windows" in render(gather(layout), {})
    assert json.dumps(gather(layout).shaping)
    write_bytes(layout.config, load("demo").to_yaml().encode())
    assert "20 of 44 windows" not in render(gather(layout), {}), "an earlier run's choice is not this run's"


def candidates_of(layout, *uris):
    """`candidates.parquet` and `videos.parquet` with one training window of every file."""
    facts = {"width": 176, "height": 144, "fps": 15.0, "codec": "h264", "bytes": 1, "duration_s": 1.0}
    probed = [
        {"video_id": short_id(uri), "uri": str(uri), "content_id": short_id("c", uri), **facts, **FINE} for uri in uris
    ]
    rows = [
        {**row, "split": TRAIN, "round": 1, "copy": 0} for row in windows_of(probed, shaped("corpus.degraded_copies=0"))
    ]
    for path in (layout.candidates, layout.videos):
        write_table(path, VIDEOS.table(rows), VIDEOS)


def test_candidates_are_measured_once_and_what_fails_is_counted(layout, clip, numbered, tmp_path):
    run = RunLayout(tmp_path / "measured")
    candidates_of(run, clip, numbered, tmp_path / "none.mp4")
    summary = shape.measure(asked(shaped("errors.budget=0.5"), run))
    assert (summary["rows"], summary["failed"]) == (3, 1)
    table = read_table(run.indicators, INDICATORS)
    assert table.num_rows == 2
    assert all(np.isfinite(table[name].to_numpy()).all() for name in ROWS)
    with pytest.raises(UserError, match="1 of 3 windows could not be measured"):
        shape.measure(asked(shaped("errors.budget=0.2"), run))


def test_indicators_come_with_the_scores_from_one_decode(clip, tmp_path, monkeypatch):
    decodes = []
    real = ffmpeg.read_frames
    monkeypatch.setattr(ffmpeg, "read_frames", lambda *given, **more: decodes.append(given) or real(*given, **more))
    run = RunLayout(tmp_path / "scored")
    candidates_of(run, clip)
    config = load("demo", overrides=["teachers.names=[artefact, sharpness]"])
    score.score(asked(config, run))
    assert len(decodes) == 1
    (row,) = read_table(run.indicators, INDICATORS).to_pylist()
    assert row["si"] > 5
    assert read_shards(run.scores("artefact"), SCORES)["video_id"].to_pylist() == [row["video_id"]]
