"""The pools that process samples: several teachers, and a student's views up to the matrix of features."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from actors.compare import Comparer
from actors.media.rows import SAMPLE_COLUMNS, format_recipe
from actors.media.rows import unpack as unpack_row
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.sample import Decode, Sampler
from actors.score import NOT_WRITTEN, BatchedTeacherScorer, DropSample, StudentEncoder, TeacherScorer
from actors.teachers.sharpness import Sharpness
from trainers.student.language.seconds import unpack
from trainers.student.table import LLAVA

TINY = {
    "shrunk": True,
    "text": {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "vision": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
}
SPEC = SampleSpec(key_frames=1, motion_frames=4, views=LLAVA.views)


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
    def score(self, sample):
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


def test_a_table_of_several_rows_is_scored_as_each_row_by_itself(clip, broken_files):
    names = ("sharpness", f"{__name__}:Faulty")
    decode = Decode(SampleSpec(1, 12))
    paths = (clip, broken_files["decode.truncated.mp4"], clip)
    rows = [
        decode({"video_id": str(k), "uri": str(path), "start_s": 0.0, "duration_s": 0.0})
        for k, path in enumerate(paths)
    ]
    table = pa.Table.from_pylist(rows)
    done = BatchedTeacherScorer(names)(table)
    assert done.select(table.column_names).equals(table)
    np.testing.assert_equal(done.to_pylist(), [TeacherScorer(names)(row) for row in rows])


@pytest.fixture(scope="module")
def rows(numbered):
    """A video, its compressed copy and a still of it, after all pools."""
    sampler = Sampler(SPEC, EncodeOptions())
    encode = StudentEncoder("llava", TINY)
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
        done.append(encode(sampler(row)))
    sampler.close()
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


def test_without_a_student_the_last_pool_takes_the_pixels_from_a_row(numbered):
    row = {"video_id": "a", "uri": str(numbered), "start_s": 0.0, "duration_s": 0.0}
    decoded = Decode(SPEC)(row)
    left = DropSample()(decoded)
    assert left == {name: decoded[name] for name in left}
    assert set(decoded) - set(left) == set(SAMPLE_COLUMNS)


def test_packed_videos_lie_on_the_disk_and_are_scored_as_they_are(rows, tmp_path):
    from trainers.student.table import build_student
    from trainers.videos import VideoStore, VideoWriter

    vectors = {row["video_id"]: np.frombuffer(row["features"], np.float32) for row in rows}
    writer = VideoWriter(tmp_path)
    for name, vector in vectors.items():
        writer.write(name, vector)
    named = VideoStore(tmp_path).take(["still", "plain", "copy"])
    matrix = named[:]
    length = len(vectors["still"])
    assert matrix.shape == (3, len(vectors["plain"]))
    assert np.array_equal(matrix[0, :length], vectors["still"])
    assert not matrix[0, length:].any()
    build_student("llava", TINY).save(tmp_path / "student")
    comparer = Comparer(str(tmp_path / "student"), matrix[1:])
    against = comparer.against_anchors(named)
    assert np.array_equal(against, comparer.against_anchors(matrix))
    order = ["plain", "copy"]
    first, second = [name for name in order for _ in range(3)], ["still", "plain", "copy"] * 2
    store = VideoStore(tmp_path)
    pairs = comparer.pairs(store.take(first), store.take(second))
    np.testing.assert_allclose(against, pairs.reshape(2, 3, 5).swapaxes(0, 1), rtol=0, atol=2e-5)
    assert comparer.against_anchors(store.take([])).shape == (0, 2, 5)
    np.testing.assert_allclose(comparer.against_anchors(store.take(["still"]))[0], against[0], rtol=0, atol=2e-5)


def test_the_encoder_writes_a_packed_video_and_passes_nothing_on(numbered, tmp_path):
    from trainers.videos import VideoStore

    row = {"video_id": "a", "uri": str(numbered), "start_s": 0.0, "duration_s": 0.0}
    decoded = Decode(SPEC)(row)
    passed_on = np.frombuffer(StudentEncoder("llava", TINY)(decoded)["features"], np.float32)
    encode = StudentEncoder("llava", TINY, str(tmp_path))
    written = encode(decoded)
    assert (written["status"], written["features"]) == ("ok", b"")
    assert np.array_equal(VideoStore(tmp_path).vector(0), passed_on)
    before = (tmp_path / "a.parquet").read_bytes()
    encode(decoded)
    assert (tmp_path / "a.parquet").read_bytes() == before, "a repeated row changes nothing"
    full = StudentEncoder("llava", TINY, str(tmp_path / "a.parquet"))  # a file is no folder
    assert full(decoded)["error_kind"] == NOT_WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
