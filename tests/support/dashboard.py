"""What the dashboard asks, and a Prometheus that answers: `PROMETHEUS_PATH`, or the usual path, has its program."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import cluster

_FILE = Path(cluster.__file__).parent / "grafana.json"
EXPRESSIONS = [target["expr"] for panel in json.loads(_FILE.read_text())["panels"] for target in panel["targets"]]
PROGRAM = shutil.which("prometheus", path=os.environ.get("PROMETHEUS_PATH", os.environ["PATH"]))


def text_of(address):
    """A page."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


def until(found, tries=90):
    """What `found` gives, as soon as it gives anything."""
    for _ in range(tries):
        value = found()
        if value:
            return value
        time.sleep(1)
    return value


@contextmanager
def prometheus(target, folder):
    """`ask(expression)` of a Prometheus that scrapes a port of this machine every second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "prometheus.yml"
    jobs = [{"job_name": "ray", "scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}]
    settings.write_text(json.dumps({"scrape_configs": jobs}))
    address = f"127.0.0.1:{port}"
    command = [PROGRAM, f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}"]
    server = subprocess.Popen(
        [*command, f"--web.listen-address={address}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def ask(expression, span=None):
        """Answer now, or over `span`: (first second, last second, seconds between two)."""
        words = {} if span is None else dict(zip(("start", "end", "step"), span, strict=True))
        query = urllib.parse.urlencode({"query": expression.replace("[5m]", "[30s]"), **words})
        path = "query" if span is None else "query_range"
        try:
            return json.loads(text_of(f"http://{address}/api/v1/{path}?{query}"))["data"]["result"]
        except ConnectionError:
            return []
        except urllib.error.HTTPError as error:  # a wrong expression, or one that starts
            if error.code == 400:
                raise
            return []
        except OSError:
            return []

    try:
        yield ask
    finally:
        server.terminate()
        server.wait(30)
