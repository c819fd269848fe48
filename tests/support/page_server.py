"""The service without Ray: its interface and page on loopback, in a thread, with the actors in this process."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
from PIL import Image

from actors.folder import HeaderReader
from actors.seconds import Answer, SecondsScorer, pack_answers
from cluster.in_process import InProcess
from cluster.pools import Pool
from pipeline.run_folder.store import write_json
from pipeline.serve.app import Parts, build
from pipeline.serve.examples import Examples
from pipeline.serve.guard import Guard
from pipeline.serve.jobs import Desk, Pools
from pipeline.serve.limits import Limits
from pipeline.serve.service import bound
from pipeline.serve.uploads import uploads
from pipeline.student.folder import Anchors, write_anchors, write_processor
from pipeline.student.scoring import open_model

NDJSON = "application/x-ndjson"


def student_without_network(folder):
    """A student whose anchors and sampling can be read and whose network cannot: enough where an engine is scripted."""
    anchors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    matrix = np.array([[0.5 + 0.1 * (k - n) for n in range(5)] for k in range(5)])
    write_anchors(folder, Anchors(anchors, matrix, np.array([10.0, 30, 50, 70, 90]), tuple("abcde"), 1.0))
    sampling = {"key_frames": 1, "motion_frames": 8, "motion_short_side": 48}
    write_processor(folder, {**sampling, "window_s": 1.0, "max_short_side": None, "max_fps": None})
    write_json(folder / "config.json", {"student": "lite"})
    return open_model(str(folder))


class Scripted:
    """An engine that reads and scores nothing: every file lasts `length`, and its seconds `low` are worse than the others.

    Attributes:
        gate: Rows of headers wait until it is set.
        rows: The kinds of rows so far: header, window or piece.
    """

    def __init__(self, length=6.0, low=(2, 3), quality=0.5):
        self.length, self.low, self.quality = length, low, quality
        self.gate = threading.Event()
        self.gate.set()
        self.rows = []

    def stream(self, rows, _pools, progress, **_):
        for row in rows:
            done = {**row, "status": "ok", "error_kind": "", "error": ""}
            kind = "window" if "start_s" in row else "piece" if "spans" in row else "header"
            self.rows.append(kind)
            if kind == "header":
                self.gate.wait(60)
                done |= {"length_s": self.length, "width": 320, "height": 180, "note": ""}
            elif kind == "window":
                done["logits"] = logits(self.quality).tobytes()
            else:
                starts = [int(start) for start, _ in json.loads(row["spans"])]
                worse = [self.quality - 2 * (start in self.low) + start / 50 for start in starts]
                done |= pack_answers([Answer(logits(value), {}, JPEG) for value in worse])
            progress(1)
            yield [done]


def logits(quality):
    """Answers `[5, 5]` that lean to superior with a quality above 0."""
    return np.tile(np.array([-2, -1, 0, 1, 2], np.float32) * quality, (5, 1)).astype(np.float32)


def _jpeg():
    data = io.BytesIO()
    Image.new("RGB", (64, 36), "#446688").save(data, "JPEG")
    return data.getvalue()


JPEG = _jpeg()


@contextlib.contextmanager
def page_server(model, limits=None, hosts=("127.0.0.1", "localhost"), token="", at_once=1, engine=None):
    """A service of this student; gives its `port`, `url`, `folder` of uploads, `desk` and `ask`."""
    import uvicorn

    limits = limits or Limits()
    sampling = {"spec": model.spec, "options": model.options, "pictures": True}
    seconds = Pool(lambda: SecondsScorer(**sampling, encoder=model.network))
    pools = Pools(Pool(HeaderReader), Pool(lambda: model.network), seconds)
    with uploads(limits) as folder, bound("127.0.0.1", 0) as place:
        desk = Desk(engine or InProcess(), model, pools, limits, at_once)
        parts = Parts(desk, folder, limits, Examples(folder.folder), lambda: {"Scorer": 1}, {"Scorer": 1})
        config = uvicorn.Config(
            Guard(build(parts), hosts, token),
            log_level="warning",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([place],))
        thread.start()
        port = place.getsockname()[1]
        try:
            while not server.started:
                time.sleep(0.01)
            yield SimpleNamespace(
                port=port,
                url=f"http://127.0.0.1:{port}/",
                folder=folder.folder,
                uploads=folder,
                desk=desk,
                ask=asker(port),
            )
        finally:
            server.should_exit = True
            thread.join()
            desk.close()


def asker(port):
    """`ask(method, path, body, headers)` gives status, headers and body; JSON is read, lines of JSON are a list."""

    def ask(method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), _read(answer)
        finally:
            connection.close()

    return ask


def _read(answer):
    body, kind = answer.read(), answer.getheader("content-type", "")
    if not body:  # of HEAD
        return body
    if kind.startswith("application/json"):
        return json.loads(body)
    if kind.startswith(NDJSON):
        return [json.loads(line) for line in body.splitlines()]
    return body
