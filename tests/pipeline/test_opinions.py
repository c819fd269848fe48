import numpy as np

from pipeline.opinions import directions, human_scores, mos_file, raw_scores, signed
from pipeline.run_folder.records import SCORES

COUNT = 40


def mos_file_of(tmp_path, values):
    file = tmp_path / "mos.csv"
    file.write_text("video,mos\n" + "".join(f"part/v{k:02d}.mp4,{value}\n" for k, value in enumerate(values)))
    return file


def test_degraded_copies_have_no_human_score(tables, configured, tmp_path):
    quality = np.random.default_rng(1).uniform(20, 80, COUNT)
    tables.videos([{"video_id": f"v{k:02d}", "uri": f"/part/v{k:02d}.mp4", "copy": k % 2} for k in range(COUNT)])
    config = configured(f"teachers.mos={mos_file_of(tmp_path, quality)}")
    target = human_scores(config, tables.layout, [f"v{k:02d}" for k in range(COUNT)])
    assert np.isnan(target[1::2]).all()
    np.testing.assert_allclose(target[::2], quality[::2])


def test_raw_scores_are_those_under_the_present_digest(tables):
    rows = [
        {"video_id": "a", "teacher": "niqe", "digest": "new", "score": 1.5, "status": "ok"},
        {"video_id": "a", "teacher": "niqe", "digest": "old", "score": 9.0, "status": "ok"},
        {"video_id": "b", "teacher": "niqe", "digest": "old", "score": 9.0, "status": "ok"},
        {"video_id": "c", "teacher": "niqe", "digest": "new", "score": None, "status": "failed"},
    ]
    folder = tables.layout.scores("niqe")
    tables.write(folder / "shard-00000.parquet", SCORES, rows)
    scores = raw_scores({"niqe": folder}, {"niqe": "new"}, ["c", "b", "a"])
    np.testing.assert_array_equal(scores["niqe"], [np.nan, np.nan, 1.5])


def test_scores_of_teachers_that_fall_with_quality_change_their_sign(configured):
    config = configured("teachers.names=[niqe, sharpness]")
    assert directions(config) == {"niqe": False, "sharpness": True}
    values = signed(config, {"niqe": np.array([3.0, np.nan]), "sharpness": np.array([3.0, 4.0])})
    np.testing.assert_array_equal(values["niqe"], [-3.0, np.nan])
    np.testing.assert_array_equal(values["sharpness"], [3.0, 4.0])


def test_without_a_table_there_are_no_human_scores(tables, configured):
    assert mos_file(configured()) is None
    assert human_scores(configured(), tables.layout, ["a"]) is None
