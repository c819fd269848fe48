import csv
import io
from pathlib import Path

import pytest

from actors.media.vmaf import SECOND
from actors.teachers import load_teacher
from cluster.in_process import InProcess
from pipeline.commands import proxy_benchmark
from pipeline.commands.proxy_benchmark import COLUMNS, ProxyLayout, _close, _unmark_missing
from pipeline.console import Console
from pipeline.corpus.benchmark_file import read_benchmark
from pipeline.run_folder.records import BENCHMARK, OBSERVED, SCORES, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import append_shard, read_shards, write_table
from pipeline.settings.config import load

NAMES = ("artefact", "sharpness")
CONFIG = load("local", overrides=[f"teachers.names=[{', '.join(NAMES)}]"], videos="x")


@pytest.fixture
def proxy_folder(tmp_path):
    """A finished benchmark: two sources, four copies each, one of which failed; the first teacher agrees with VMAF."""
    layout = ProxyLayout.at(tmp_path / "out")
    layout.benchmark_clips.mkdir(parents=True)
    write_table(layout.videos, VIDEOS.schema.empty_table(), VIDEOS)
    for suite in ("seen", "unseen"):
        rows = []
        for source in "ab":
            for level in range(1, 5):
                name = f"{suite}{source}{level}"
                failed = suite == "unseen" and source == "b" and level == 4
                path = layout.benchmark_clips / f"{name}.mkv"
                path.write_bytes(b"x")
                rows.append(
                    {"video_id": name, "source_id": source, "uri": str(path), "start_s": 0.0, "duration_s": 0.0, "recipe": "",
                     "distortion": "h264", "level": level, "mos": None if failed else 100.0 - 20 * level - (source == "b"),
                     "vmaf_v1": 20.0 * level if suite == "seen" and source == "a" else None,
                     "status": "failed" if failed else "ok", "error_kind": "encode" if failed else None,
                     "error": f"{path}: x264 failed" if failed else None}
                )  # fmt: skip
        write_table(layout.benchmark(suite), BENCHMARK.table(rows), BENCHMARK)
        for teacher in NAMES:
            digest = load_teacher(teacher).digest()
            sign = 1 if teacher == NAMES[0] else -1
            scores = [
                {"video_id": row["video_id"], "teacher": teacher, "digest": digest, "score": sign * (row["mos"] or 0.0),
                 "status": "ok", "error_kind": None, "error": None}
                for row in rows
            ]  # fmt: skip
            append_shard(layout.benchmark_scores(teacher), SCORES.table(scores), SCORES)
    return layout


def test_the_csv_is_a_benchmark_that_evaluate_reads(proxy_folder, capsys):
    stream = io.StringIO()
    assert _close(Run(CONFIG, proxy_folder, Console(stream), InProcess()), proxy_folder) == 1, "one copy failed"
    rows = list(csv.DictReader(io.StringIO(proxy_folder.table.read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 15
    assert all(row["video"].startswith("clips/") and row["score"] == row["mos"] for row in rows)
    benchmark = read_benchmark(str(proxy_folder.table), str(proxy_folder.root))
    assert all(Path(name).is_file() for name in benchmark.videos)
    assert "x264 failed" in stream.getvalue()
    out = capsys.readouterr().out
    assert "seen distortions: 8 copies" in out
    assert "unseen distortions: 7 copies" in out
    first, _, rest = out.partition("label VMAF v1.0.16, which 4 of them have")
    assert "label VMAF v0.6.1" in first
    second, _, unseen = rest.partition("unseen distortions")
    assert "VMAF v1.0.16" not in unseen, "no copy of this suite has it"
    for text, sign in ((first, 1), (second, -1), (unseen, 1)):
        cells = [line.split() for line in text.splitlines()]
        figures = {row[0]: float(row[1]) for row in cells if row and row[0] in NAMES}
        assert figures == {"artefact": sign, "sharpness": -sign}
    assert (rows[0]["label"], rows[0][SECOND.name], rows[4][SECOND.name]) == ("vmaf_v0.6.1", "20.0", "")
    assert benchmark.column == "vmaf_v0.6.1"
    other = read_benchmark(str(proxy_folder.table), str(proxy_folder.root), SECOND.name)
    assert (other.column, other.labels) == (SECOND.name, (20.0, 40.0, 60.0, 80.0))


def test_a_copy_that_was_removed_is_made_again(proxy_folder):
    folder = proxy_folder.observed("benchmark")
    rows = [
        {"video_id": name, "width": 2, "height": 2, "vmaf": 50.0, "status": status, "error_kind": None, "error": None}
        for name, status in (("seena1", "ok"), ("seena2", "ok"), ("gone", "failed"))
    ]
    append_shard(folder, OBSERVED.table(rows[:2]), OBSERVED)
    append_shard(folder, OBSERVED.table(rows[2:]), OBSERVED)
    _unmark_missing(proxy_folder)
    assert read_shards(folder, OBSERVED)["video_id"].to_pylist() == ["gone", "seena1", "seena2"]
    (proxy_folder.benchmark_clips / "seena2.mkv").unlink()
    _unmark_missing(proxy_folder)
    assert read_shards(folder, OBSERVED)["video_id"].to_pylist() == ["gone", "seena1"]


def test_copies_are_kept_and_nothing_is_degraded_whatever_the_options_say():
    class Options:
        preset, config, seed, limit, videos = None, None, 3, 5, "folder"
        overrides = ("benchmark.keep=false", "corpus.degraded_copies=4", "benchmark.levels=1")

    config = proxy_benchmark.configuration(Options)
    assert (config.preset, config.seed, config.corpus.limit) == ("local", 3, 5)
    assert config.benchmark.keep
    assert config.corpus.degraded_copies == 0
    assert config.benchmark.levels == 1


def test_wrong_usage_is_told_before_anything_is_made(call, tmp_path):
    out = tmp_path / "out"
    assert call("proxy-benchmark", "--out", out).code == 2
    assert call("proxy-benchmark", "--videos", tmp_path).code == 2
    output = call("proxy-benchmark", "--videos", tmp_path / "gone", "--out", out)
    assert output.code == 2
    assert "no video there" in output.err
    assert not out.exists()


def test_the_folder_of_a_run_is_refused(call, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "config.yaml").write_text("preset: demo\n")
    output = call("proxy-benchmark", "--videos", tmp_path, "--out", run_folder)
    assert output.code == 2
    assert "folder of a run" in output.err
