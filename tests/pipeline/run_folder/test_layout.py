from pathlib import Path

import pytest

from pipeline.console import UserError
from pipeline.run_folder.layout import RunLayout, default_root


def test_the_files_that_users_rely_on_have_their_names(tmp_path):
    layout = RunLayout(tmp_path)
    places = [
        *(layout.config, layout.report_html, layout.report_json, layout.quarantine, layout.manifest("ingest")),
        *(layout.videos, layout.scores("niqe"), layout.ensemble),
        *(
            layout.pairs(1),
            layout.distorted(1),
            layout.student(2),
            layout.preferences(2),
            layout.mined(2),
            layout.metrics(3),
            layout.benchmark_student_scores(3),
            layout.mined_answers(1),
        ),
    ]
    assert [place.relative_to(tmp_path).as_posix() for place in places] == [
        *("config.yaml", "report.html", "report.json", "quarantine.parquet", "manifests/ingest.json"),
        *("videos.parquet", "scores/niqe", "ensemble.parquet"),
        *("round-1/pairs.parquet", "round-1/distorted.parquet", "round-2/student", "round-2/preferences.parquet"),
        *("round-2/mined.parquet", "round-3/metrics.json", "round-3/benchmark-scores.parquet"),
        "round-1/mined-answers.parquet",
    ]
    assert default_root("demo-1") == Path("runs/demo-1")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", "-x", ".hidden", "a\0b", "x" * 65])
def test_no_name_leads_out_of_the_run_folder(name, tmp_path):
    layout = RunLayout(tmp_path)
    for place in (layout.scores, layout.manifest, layout.benchmark, lambda name: layout.thumbnail(name, "mp4")):
        with pytest.raises(ValueError, match="cannot be the name"):
            place(name)


def test_a_teacher_of_the_user_s_own_has_a_folder(tmp_path):
    layout = RunLayout(tmp_path)
    assert layout.scores("mine.quality:Sharp").name == "mine.quality-Sharp"
    tables = [layout.scores(f"table:/data/{'long/' * 30}scores.csv?score={column}") for column in ("niqe", "dover")]
    assert tables[0] != tables[1]
    assert all(place.parent == layout.root / "scores" and len(place.name) <= 64 for place in tables)


def test_rounds_count_from_one(tmp_path):
    layout = RunLayout(tmp_path)
    with pytest.raises(ValueError, match="from 1"):
        layout.round(0)
    for name in ("round-10", "round-2", "round-x", "round-0"):
        (tmp_path / name).mkdir()
    assert layout.rounds() == [2, 10]


@pytest.mark.parametrize(
    ("folder", "said"),
    [("http://host/run", r"on a disk, or at s3://"), ("s3://bucket", r"prefix of its own .* s3://bucket/my-run")],
)
def test_a_run_folder_is_on_a_disk_or_has_a_prefix_of_a_bucket(folder, said):
    with pytest.raises(UserError, match=said):
        RunLayout.at(folder)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_of_a_run_in_a_bucket_only_what_need_not_last_is_on_the_disk(scheme):
    layout = RunLayout.at(f"{scheme}://bucket/some/run/")
    assert str(layout.student(2)) == f"{scheme}://bucket/some/run/round-2/student"
    assert str(layout.train_storage) == f"{scheme}://bucket/some/run/scratch/train"
    for place in (layout.downloads, layout.distorted_clips(1), layout.benchmark_clips):
        assert layout.disk in place.parents
    with pytest.raises(UserError, match=f"{scheme}://bucket/some/run: a sweep needs a run folder on a disk"):
        layout.on_disk("a sweep")


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(UserError, match="this is a file"):
        RunLayout.at(tmp_path / "f")
