"""A Ray cluster that grows and shrinks by Ray's own autoscaler, on this machine: every node is a set of real processes.

The wheel's `AutoscalingCluster` lacks a file and ends with `ray stop --force`, which kills every Ray on the machine. This one
has a port and a folder of its own, and ends only the processes of its own folder.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
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
                # One at a time: Ray lists the nodes while the provider starts some, and of those that it starts together it
                # misses all but the first, starts them again, and takes back what is beyond the ceiling.
                "launch_multiple": False,
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


class Watch:
    """Records how many nodes a cluster has while the block runs: (seconds, nodes with a GPU, nodes without one)."""

    def __init__(self, address):
        self.began = time.monotonic()
        self.counts = []
        self._address = address
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def now(self):
        """Seconds since the watch began."""
        return time.monotonic() - self.began

    def _follow(self):
        from ray._raylet import GcsClient

        client = GcsClient(address=self._address)
        while not self._ended.wait(0.5):
            alive = [dict(node.resources_total) for node in client.get_all_node_info().values() if node.state == 0]
            gpus = sum("GPU" in resources for resources in alive)
            self.counts.append((self.now(), gpus, len(alive) - gpus))


STEP = re.compile(r"done  (\S+) ")


def follow(command, cluster, until_head_s=60.0):
    """Run a command on a cluster and then wait until only the head is left, or for `until_head_s` seconds.

    Returns:
        A dictionary: `counts` as `Watch` records them, `steps` (name -> seconds at which its line was printed), `lines` of
        standard error, `code`, and `end` (seconds at which the command ended).
    """
    environment = {**os.environ, "RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"}
    steps, lines = {}, []
    with Watch(cluster.address) as watch:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            for line in process.stderr:
                lines.append(line.rstrip("\n"))
                if found := STEP.match(line):
                    steps[found[1]] = watch.now()
            code = process.wait()
        finally:
            process.kill()
        end = watch.now()
        while watch.now() < end + until_head_s and watch.counts[-1][1:] != (0, 1):
            time.sleep(0.5)
        time.sleep(1.0)
    return {"counts": watch.counts, "steps": steps, "lines": lines, "code": code, "end": end}


def during(record, name):
    """(GPU nodes, other nodes) at each look while a step ran: from the line of the step before it to its own."""
    names = list(record["steps"])
    place = names.index(name)
    began = record["steps"][names[place - 1]] if place else 0.0
    return [(gpus, others) for at, gpus, others in record["counts"] if began < at <= record["steps"][name]]
