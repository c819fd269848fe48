"""Rows that carry the views of networks, larger than Ray's share of the object store for one pool: all networks compute at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MEETING = '''
import os
import time
from pathlib import Path

class Decode:
    """A row with views of 100 MiB."""

    def __call__(self, row):
        return {**row, "views": bytes(100 << 20)}

class Score:
    """Stays with its first row until another actor has one too."""

    def __init__(self, folder, patience_s):
        self.folder, self.patience_s = Path(folder), patience_s

    def __call__(self, row):
        (self.folder / f"{os.getpid()}.busy").touch()
        end = time.monotonic() + self.patience_s
        while len(list(self.folder.glob("*.busy"))) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        busy = len(list(self.folder.glob("*.busy")))
        return {**{key: value for key, value in row.items() if key != "views"}, "busy": busy}
'''

SCRIPT = """
import io, json, sys
import pyarrow as pa
import meeting
from cluster.pools import Pool
from cluster import own_ray, session
from pipeline.console import Console
from cluster.engine import PIXEL_ROWS
from cluster.stream import stream

own_ray.object_store_bytes = lambda: 512 << 20
table = pa.Table.from_pylist([{"video_id": f"v{k}", "uri": f"v{k}.mp4"} for k in range(4)])
with session.connect(settings=session.SessionSettings(cpus=2)) as joined:
    pools = [Pool(meeting.Decode), Pool(meeting.Score, {"folder": sys.argv[1], "patience_s": 60.0}, weight=20.0, memory_gib=0.5)]
    batches = stream(joined.capacity, table, pools, most_rows=PIXEL_ROWS)
    print(json.dumps([row["busy"] for batch in batches for row in batch]))
"""


def test_decoding_does_not_wait_for_the_row_that_is_scored(environment, tmp_path):
    (tmp_path / "meeting.py").write_text(MEETING, encoding="utf-8")
    line = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    project = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        line, capture_output=True, text=True, check=False, env=environment(tmp_path, project), timeout=400
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == [2, 2, 2, 2], "actors that had a row before one was done"
