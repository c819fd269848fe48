"""A Ray cluster that grows and shrinks by Ray's own autoscaler, on this machine: every node is a set of real processes.

The wheel's `AutoscalingCluster` lacks a file and ends with `ray stop --force`, which kills every Ray on the machine. This one
has a port and a folder of its own, and ends only the processes of its own folder.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAD_TYPE = "ray.head.default"  # the provider knows the head by this name
_STORE = 100 << 20  # bytes of each node's object store


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class AutoscalingCluster:
    """A head and groups of nodes that start when something needs them.

    Args:
        groups: Name of a group -> (resources of a node, most nodes).
        head: Resources of the head.
        idle_s: Seconds after which an idle node is taken back.
        options: Further arguments of `ray start`.
        environment: Further environment of all nodes.
    """

    def __init__(self, groups, head, idle_s=6.0, options=(), environment=None):
        self.folder = Path(tempfile.mkdtemp(prefix="fake-", dir="/tmp"))
        self.address = f"127.0.0.1:{free_port()}"
        self._more = list(options)
        self._environment = dict(environment or {})
        types = {HEAD_TYPE: {"resources": dict(head), "node_config": {}, "max_workers": 0}}
        for name, (resources, most) in groups.items():
            kind = {"resources": {**resources, "object_store_memory": _STORE}, "node_config": {}}
            types[name] = {**kind, "min_workers": 0, "max_workers": most}
        self._config = {
            "cluster_name": "fake",
            "max_workers": sum(most for _, most in groups.values()),
            "upscaling_speed": 100.0,
            "idle_timeout_minutes": idle_s / 60,
            "provider": {
                "type": "fake_multinode",
                "use_node_id_as_ip": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
                "launch_multiple": True,
                "gcs_address": self.address,
            },
            "auth": {},
            "docker": {},
            "available_node_types": types,
            "head_node_type": HEAD_TYPE,
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            "rsync_exclude": [],
            "rsync_filter": [],
            **{f"{who}setup_commands": [] for who in ("", "head_", "worker_")},
            **{f"{who}_start_ray_commands": [] for who in ("head", "worker")},
            "initialization_commands": [],
        }
        self._head = dict(head)

    def __enter__(self):
        written = self.folder / "cluster.yaml"
        written.write_text(json.dumps(self._config), encoding="utf-8")  # JSON is YAML
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={self.address.rpartition(':')[2]}",
            "--node-ip-address=127.0.0.1", f"--num-cpus={self._head.get('CPU', 0)}", f"--num-gpus={self._head.get('GPU', 0)}",
            f"--object-store-memory={_STORE}", f"--autoscaling-config={written}", f"--temp-dir={self.folder}",
            "--disable-usage-stats", *self._more,
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment |= {
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_AUTH_MODE": "disabled",
            "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
            **self._environment,
        }
        try:
            started = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
            assert started.returncode == 0, started.stdout + started.stderr
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # The autoscaler first: it would start nodes again.
        for round_ in range(40):
            left = sorted(self.processes(), key=lambda pair: "monitor.py" not in pair[1])
            if not left:
                break
            for number, _words in left:
                with_signal = signal.SIGTERM if round_ < 8 else signal.SIGKILL
                try:
                    os.kill(number, with_signal)
                except ProcessLookupError:
                    continue
            time.sleep(0.25)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self):
        """(process id, command line) of everything that belongs to this cluster: it names the folder or the address."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    inherited = (entry / "environ").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if str(self.folder) in words or f"{self.folder}/" in inherited:
                    found.append((int(entry.name), words))
        return found
