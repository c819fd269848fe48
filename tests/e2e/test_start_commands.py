"""The commands by which the committed file of `ray up` starts Ray, on this machine: who has the token joins, nobody else."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from autoscaling import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.heavy, pytest.mark.timeout(600)]
FILE = Path(__file__).resolve().parents[2] / "cluster" / "aws.yaml"


class Machine:
    """A home with a token, and the processes started with it."""

    def __init__(self, token):
        self.home = Path(tempfile.mkdtemp(prefix="h-", dir="/tmp"))
        (self.home / ".ray").mkdir()
        (self.home / ".ray" / "auth_token").write_text(token, encoding="utf-8")
        self.token = token

    def run(self, command, **variables):
        """Run a command of the file as the launcher would: a shell, the machine's home, no address."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment = {**kept, "HOME": str(self.home), "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1", **variables}
        return subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    def end(self):
        """End every process that has this home."""
        for _ in range(40):
            left = [number for number in self.processes() if number != os.getpid()]
            if not left:
                break
            for number in left:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.25)
        shutil.rmtree(self.home, ignore_errors=True)

    def processes(self):
        """Process ids."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and f"HOME={self.home}\0".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def cluster():
    """The head of the file, started; its machine, its port and that of its dashboard."""
    tree = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    machine = Machine(secrets.token_hex(32))
    port, dashboard = free_port(), free_port()
    command = tree["head_start_ray_commands"][1].replace("--port=6379", f"--port={port}")
    command = command.replace("--object-manager-port=8076", "").replace(
        "--autoscaling-config=~/ray_bootstrap_config.yaml", ""
    )
    command += f" --dashboard-port={dashboard} --temp-dir={machine.home}/t --object-store-memory=100000000"
    try:
        done = machine.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
        yield machine, port, dashboard, tree
    finally:
        machine.end()


def ask(url, token=None):
    """Status of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_job_server_answers_only_who_has_the_token(cluster):
    machine, _, dashboard, _ = cluster
    url = f"http://127.0.0.1:{dashboard}/api/jobs/"
    assert ask(url) == 401
    assert ask(url, "0" * 64) == 403
    assert ask(url, machine.token) == 200


def test_the_job_server_listens_on_loopback_only(cluster):
    _, _, dashboard, _ = cluster
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {
        "127.0.0.1",
        "127.0.1.1",
    }
    if not others:
        pytest.skip("this machine has no address but loopback")
    for address in others:
        with pytest.raises(ConnectionRefusedError), socket.create_connection((address, dashboard), timeout=10):
            pass


def join(cluster, machine):
    """Start a worker by the command of the file; whether it joined."""
    _, port, _, tree = cluster
    command = tree["worker_start_ray_commands"][1].replace("$RAY_HEAD_IP:6379", f"127.0.0.1:{port}")
    command = command.replace("--object-manager-port=8076", "--object-store-memory=100000000 --num-cpus=1")
    return machine.run(command)


def test_a_worker_with_the_token_joins_and_one_with_another_is_refused(cluster):
    head, port, _, _ = cluster
    stranger, friend = Machine(secrets.token_hex(32)), Machine(head.token)
    try:
        refused = join(cluster, stranger)
        assert refused.returncode != 0
        assert (
            "InvalidAuthToken" in refused.stdout + refused.stderr or "uthentication" in refused.stdout + refused.stderr
        )
        joined = join(cluster, friend)
        assert joined.returncode == 0, joined.stdout + joined.stderr
        count = head.run(
            "python -m cluster.waiting 2 --patience 60", RAY_ADDRESS=f"127.0.0.1:{port}", RAY_AUTH_MODE="token"
        )
        assert count.returncode == 0, count.stdout + count.stderr
    finally:
        stranger.end()
        friend.end()


def test_no_list_of_processes_shows_the_token(cluster):
    machine, *_ = cluster
    shown = [
        Path(f"/proc/{number}/cmdline").read_bytes()
        for number in machine.processes()
        if Path(f"/proc/{number}").exists()
    ]
    assert shown
    assert not any(machine.token.encode() in line for line in shown)
