import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.own_ray import patiently

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ray_session(s3_server):
    """A local Ray whose workers can import the project and know the S3 server. Socket paths must be short, hence no tmp_path."""
    import ray

    folder = tempfile.mkdtemp(prefix="ray")
    python_path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": python_path, **s3_server.environment()}
    options = {"include_dashboard": False, "log_to_driver": False, "runtime_env": {"env_vars": environment}}
    patiently(partial(ray.init, num_cpus=4, _temp_dir=folder, **options))
    yield ray
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def write_ordering():
    """Write features and pairs whose labels follow a hidden linear quality; returns the two paths."""
    from trainers.levels import LEVELS
    from trainers.student.table import build_student

    size = build_student("lite").feature_size

    def write(folder, videos=160, pairs=600, seed=0):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(videos, size)).astype(np.float32)
        direction = np.random.default_rng(7).normal(size=size)
        quality = features @ direction / np.linalg.norm(direction)
        ids = [f"video{number:04d}" for number in range(videos)]
        first = rng.integers(0, videos, pairs)
        second = (first + rng.integers(1, videos, pairs)) % videos
        label = np.digitize(quality[second] - quality[first], (-1.6, -0.5, 0.5, 1.6))
        origin = np.where(np.arange(pairs) % 4 == 0, "synthetic", "ensemble")
        (folder / "features").mkdir(parents=True)
        half = videos // 2
        for shard, rows in enumerate((slice(half, None), slice(None, half))):
            pq.write_table(
                pa.table({"video_id": ids[rows], "features": list(features[rows])}),
                folder / "features" / f"{shard}.parquet",
            )
        pq.write_table(
            pa.table(
                {
                    "first": [ids[i] for i in first],
                    "second": [ids[i] for i in second],
                    "label": [LEVELS[i] for i in label],
                    "origin": origin.tolist(),
                }
            ),
            folder / "pairs.parquet",
        )
        return {"features": str(folder / "features"), "pairs": str(folder / "pairs.parquet")}

    return write
