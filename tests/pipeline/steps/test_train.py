"""The anchors of a trained student, without Ray and without a training."""

from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pytest

from pipeline.console import UserError
from pipeline.run_folder.records import FEATURES
from pipeline.run_folder.store import append_shard
from pipeline.settings.config import load
from pipeline.steps import train

VIDEOS = {f"v{k}": (10.0 * k, 1.0) for k in range(8)}


@pytest.fixture
def pool(tables):
    """Eight videos of rising quality, whose one feature is that quality."""
    tables.videos([{"video_id": name} for name in VIDEOS])
    tables.ensemble(VIDEOS)
    vectors = pa.array([[mean] for mean, _ in VIDEOS.values()], pa.list_(pa.float32()))
    features = pa.Table.from_arrays([pa.array(list(VIDEOS), pa.string()), vectors], schema=FEATURES.schema)
    append_shard(tables.layout.features_of("pool"), features, FEATURES)
    return tables.layout


@pytest.mark.parametrize("count", [2, 4, 5, 6, 8])
def test_every_number_of_anchors_up_to_the_size_of_the_pool_makes_a_scale(pool, monkeypatch, count):
    @contextlib.contextmanager
    def comparers(gpus, folder, features):
        yield [None]

    def ordered(actors, work, rows):
        """A student that is surer, the further two videos are apart."""
        for first, second in rows:
            gap = (second - first)[:, 0] / 10
            yield np.stack([-2 * gap, -gap, 0 * gap, gap, 2 * gap], axis=-1)

    monkeypatch.setattr(train, "comparers", comparers)
    monkeypatch.setattr(train, "ordered", ordered)
    anchors = train.choose_anchors(load(overrides=[f"scoring.anchors={count}"]), pool, pool.root)
    assert len(anchors.ids) == len(set(anchors.ids)) == count
    assert anchors.matrix.shape == (count, count)
    assert list(anchors.scores) == sorted(anchors.scores)
    assert anchors.scale().kind == "anchors"


def test_more_anchors_than_videos_are_refused_before_the_training(pool):
    with pytest.raises(
        UserError, match=r"^scoring\.anchors: 9 anchors need as many videos .*, not 8; ask for fewer"
    ) as caught:
        train.anchor_videos(load(overrides=["scoring.anchors=9"]), pool)
    assert "\n" not in str(caught.value)
