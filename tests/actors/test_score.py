"""The pools that look: teachers beside one another, and the way of a student's views to the matrix of features."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from actors.compare import Comparer
from actors.rows import SAMPLE_COLUMNS, format_recipe
from actors.rows import unpack as unpack_row
from actors.sample import Decode, Synthesise
from actors.score import DropSample, StudentEncoder, TeacherScorer
from actors.teachers.sharpness import Sharpness
from actors.views import Sample, SampleSpec
from actors.window import EncodeOptions
from pipeline.observe import score_pools
from trainers.student import VIEWS_TAKEN
from trainers.student.seconds import unpack

TINY = {
    "shrunk": True,
    "text": {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "vision": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
}
SPEC = SampleSpec(key_frames=1, motion_frames=4, views=VIEWS_TAKEN["llava"])


def test_a_file_that_cannot_be_read_fails_as_a_row(broken_files):
    for name, path in broken_files.items():
        row = {"video_id": name, "uri": str(path), "start_s": 0.0, "duration_s": 0.0}
        done = Decode(SPEC)(row)
        assert done["status"] == "failed"
        assert not unpack_row(done).views


def test_a_row_of_another_student_is_refused(numbered):
    row = {"video_id": "a", "uri": str(numbered), "start_s": 0.0, "duration_s": 0.0}
    done = StudentEncoder("llava", TINY)(Decode(SampleSpec(1, 4))(row))
    assert done["status"] == "failed"
    assert "decoded for another student: it has no view student_frames" in done["error"]


class Faulty(Sharpness):
    def score(self, sample: Sample) -> float:
        raise RuntimeError("out of\nluck")


def test_teachers_in_one_actor_score_as_each_by_itself(clip, broken_files):
    names = ("sharpness", "niqe", f"{__name__}:Faulty", "temporal")
    decode, together = Decode(SampleSpec(1, 12)), TeacherScorer(names)
    for path in (clip, broken_files["decode.truncated.mp4"]):
        row = decode({"video_id": "a", "uri": str(path), "start_s": 0.0, "duration_s": 0.0})
        apart = row
        for name in names:
            apart = TeacherScorer([name])(apart)
        np.testing.assert_equal(together(row), apart)
    scored = together(decode({"video_id": "a", "uri": str(clip), "start_s": 0.0, "duration_s": 0.0}))
    errors = [scored[f"error_{name}"] for name in names]
    assert errors == ["", "", f"{names[2]}: RuntimeError: out of luck", ""]
    assert np.isfinite([scored[f"score_{name}"] for name in names]).tolist() == [True, True, False, True]


def test_on_cpus_one_actor_holds_all_teachers_and_on_gpus_one_each():
    names = ["niqe", "fastvqa", "dover"]
    (together,) = score_pools(names, "weights")
    assert together.options == {"names": names, "weights": "weights"}
    assert together.memory_gib > 4 * (28_127_901 + 56_218_302) / 2**30, (
        "room for both networks' weights and for the work"
    )
    assert [pool.memory_gib for pool in score_pools(["niqe"], "")] == [0.0]
    assert [pool.memory_gib for pool in score_pools(names, "", 0.5)] == [0.0] * 3
    assert [pool.options["names"] for pool in score_pools(names, "", 0.5)] == [["niqe"], ["fastvqa"], ["dover"]]
    assert score_pools([], "") == []


@pytest.fixture(scope="module")
def rows(numbered, tmp_path_factory):
    """A video, its compressed copy and a still of it, after all pools."""
    folder = tmp_path_factory.mktemp("copies")
    make = Synthesise(EncodeOptions(), str(folder))
    decode = Decode(SPEC)
    encode, drop = StudentEncoder("llava", TINY), DropSample()
    recipes = {"plain": ("", False), "copy": (format_recipe([("h264", 4, 1)]), False)}
    recipes["still"] = (format_recipe([("gaussian_blur", 5, 1)]), True)
    done = []
    for name, (recipe, still) in recipes.items():
        row = {
            "video_id": name,
            "uri": str(numbered),
            "start_s": 0.0,
            "duration_s": 0.0,
            "recipe": recipe,
            "still": still,
        }
        done.append(drop(encode(decode(make(row)))))
    return done


def test_every_row_comes_out_with_its_packed_video_and_without_pixels(rows):
    videos = []
    for row in rows:
        assert row["status"] == "ok", row["error"]
        assert not set(row) & set(SAMPLE_COLUMNS)
        videos.append(unpack(torch.from_numpy(np.frombuffer(row["features"], np.float32).copy())))
    assert [len(video.frames) for video in videos] == [3, 3, 1]
    assert [len(video.motion) for video in videos] == [8, 8, 1]
    assert videos[0].motion.any()
    assert not videos[2].motion.any()


def test_shorter_videos_are_padded_in_the_matrix_and_scored_as_they_are(rows, tmp_path):
    from pipeline.observe import feature_matrix, feature_table
    from trainers.student import build_student

    table = feature_table(rows)
    assert isinstance(table, pa.Table)
    matrix = feature_matrix(table, ["still", "plain", "copy"])
    lengths = [len(np.frombuffer(rows[k]["features"], np.float32)) for k in (2, 0, 1)]
    assert matrix.shape == (3, max(lengths))
    assert not matrix[0, lengths[0] :].any()
    build_student("llava", TINY).save(tmp_path)
    comparer = Comparer(str(tmp_path), matrix[1:])
    against = comparer.against_anchors(matrix)
    pairs = comparer.pairs(np.repeat(matrix[1:], 3, axis=0), np.tile(matrix, (2, 1)))
    np.testing.assert_allclose(against, pairs.reshape(2, 3, 5).swapaxes(0, 1), rtol=0, atol=2e-5)
    assert comparer.against_anchors(matrix[:0]).shape == (0, 2, 5)
    short = feature_matrix(table, ["still"])
    np.testing.assert_allclose(comparer.against_anchors(short)[0], against[0], rtol=0, atol=2e-5)
