"""The anchors of a trained student, without Ray and without a training."""

import numpy as np
import pyarrow as pa
import pytest

from actors.compare import Comparer
from cluster.in_process import InProcess
from pipeline.console import UserError
from pipeline.run_folder.records import FEATURES
from pipeline.run_folder.store import append_shard
from pipeline.student.anchors import anchor_videos, choose_anchors, complete
from pipeline.student.folder import read_anchors, read_processor

VIDEOS = {f"v{k}": (10.0 * k, 1.0) for k in range(8)}


class Ruler(Comparer):
    """A student that is surer, the further two videos are apart."""

    def __init__(self, student, anchors):
        self.anchors = anchors

    def pairs(self, first, second):
        gap = (second - first)[:, 0] / 10
        return np.stack([-2 * gap, -gap, 0 * gap, gap, 2 * gap], axis=-1)


class Ruled(InProcess):
    """An engine whose student is `Ruler`."""

    def calls(self, kind, *how):
        assert kind is Comparer
        return super().calls(Ruler, *how)


@pytest.fixture
def pool(tables):
    """Eight videos of rising quality, whose one feature is that quality."""
    tables.engine = Ruled()
    tables.videos([{"video_id": name} for name in VIDEOS])
    tables.ensemble(VIDEOS)
    vectors = pa.array([[mean] for mean, _ in VIDEOS.values()], pa.list_(pa.float32()))
    features = pa.Table.from_arrays([pa.array(list(VIDEOS), pa.string()), vectors], schema=FEATURES.schema)
    append_shard(tables.layout.features_of("pool"), features, FEATURES)
    return tables


@pytest.mark.parametrize("count", [2, 4, 5, 6, 8])
def test_every_number_of_anchors_up_to_the_size_of_the_pool_makes_a_scale(pool, configured, count):
    run = pool.run(configured(f"scoring.anchors={count}"))
    anchors = choose_anchors(run, pool.layout.student(1))
    assert len(anchors.ids) == len(set(anchors.ids)) == count
    assert anchors.matrix.shape == (count, count)
    assert list(anchors.scores) == sorted(anchors.scores)
    assert anchors.scale().kind == "anchors"
    np.testing.assert_array_equal(anchors.features[:, 0], anchors.scores)
    better = np.subtract.outer(anchors.scores, anchors.scores) > 0
    assert (anchors.matrix[better] > 0.5).all(), "the lower anchor is the first of a pair"


def test_too_few_videos_are_refused_in_one_line(pool, configured):
    pool.videos([{"video_id": name, "split": "heldout" if name == "v7" else "train"} for name in VIDEOS])
    ids, _ = anchor_videos(pool.run(configured("scoring.anchors=7")))
    assert ids == [f"v{k}" for k in range(7)], "a held-out video is no anchor"
    with pytest.raises(
        UserError, match=r"^scoring\.anchors: 8 anchors need as many videos .*, not 7; ask for fewer anchors, or give"
    ) as caught:
        anchor_videos(pool.run(configured("scoring.anchors=8")))
    assert "\n" not in str(caught.value)


def test_a_completed_folder_holds_its_anchors_and_the_sampling_of_the_run(pool, configured):
    folder = pool.layout.student(1)
    config = configured("corpus.window_s=1.5", "corpus.max_fps=25", "teachers.key_frames=4", "corpus.hdr=refuse")
    anchors = complete(pool.run(config), folder)
    stored = read_anchors(folder)
    assert (stored.ids, stored.temperature) == (anchors.ids, config.scoring.test_temperature)
    np.testing.assert_array_equal(stored.features, anchors.features)
    np.testing.assert_array_equal(stored.matrix, anchors.matrix)
    sampling = read_processor(folder)
    assert (sampling["window_s"], sampling["max_fps"], sampling["key_frames"]) == (1.5, 25.0, 4)
    assert (sampling["hdr"], sampling["max_short_side"]) == ("refuse", config.corpus.max_short_side)
