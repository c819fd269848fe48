"""What the dashboard asks Prometheus."""

import json
from pathlib import Path

import cluster

_FILE = Path(cluster.__file__).parent / "grafana.json"
EXPRESSIONS = [target["expr"] for panel in json.loads(_FILE.read_text())["panels"] for target in panel["targets"]]
