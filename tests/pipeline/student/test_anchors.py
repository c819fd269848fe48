"""The anchors of a trained student, without Ray and without a training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cluster.in_process import InProcess
from pipeline.console import UserError
from pipeline.run_folder.records import FEATURES
from pipeline.run_folder.store import append_shard
from pipeline.settings.config import load
from pipeline.student.anchors import anchor_videos, choose_anchors

VIDEOS = {f"v{k}": (10.0 * k, 1.0) for k in range(8)}


class Judge:
    """A student that is surer, the further two videos are apart."""

    def __init__(self, folder, anchors):
        self.anchors = anchors

    def pairs(self, first, second):
        gap = (second - first)[:, 0] / 10
        return np.stack([-2 * gap, -gap, 0 * gap, gap, 2 * gap], axis=-1)


class Engine(InProcess):
    def calls(self, kind, *how):
        return super().calls(Judge, *how)


@pytest.fixture
def pool(tables):
    """Eight videos of rising quality, whose one feature is that quality."""
    tables.engine = Engine()
    tables.videos([{"video_id": name} for name in VIDEOS])
    tables.ensemble(VIDEOS)
    vectors = pa.array([[mean] for mean, _ in VIDEOS.values()], pa.list_(pa.float32()))
    features = pa.Table.from_arrays([pa.array(list(VIDEOS), pa.string()), vectors], schema=FEATURES.schema)
    append_shard(tables.layout.features_of("pool"), features, FEATURES)
    return tables


@pytest.mark.parametrize("count", [2, 4, 5, 6, 8])
def test_every_number_of_anchors_up_to_the_size_of_the_pool_makes_a_scale(pool, count):
    run = pool.run(load(overrides=[f"scoring.anchors={count}"]))
    anchors = choose_anchors(run, pool.layout.root)
    assert len(anchors.ids) == len(set(anchors.ids)) == count
    assert anchors.matrix.shape == (count, count)
    assert list(anchors.scores) == sorted(anchors.scores)
    assert anchors.scale().kind == "anchors"


def test_more_anchors_than_videos_are_refused_before_the_training(pool):
    with pytest.raises(
        UserError, match=r"^scoring\.anchors: 9 anchors need as many videos .*, not 8; ask for fewer"
    ) as caught:
        anchor_videos(pool.run(load(overrides=["scoring.anchors=9"])))
    assert "\n" not in str(caught.value)
