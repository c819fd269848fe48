import stat
import subprocess
from pathlib import Path

import pytest

from cluster import ClusterError, preflight
from cluster.preflight import Check, doctor, require


def test_this_machine_is_ready():
    checks = doctor()
    assert [check.name for check in checks] == [
        *("Python", "Ray", "CPUs", "memory", "disk", "libraries", "FFmpeg", "PyTorch", "GPUs")
    ]
    for name in ("Python", "Ray", "libraries", "PyTorch", "FFmpeg"):
        (check,) = (check for check in checks if check.name == name)
        assert check.ok, check
    for check in checks:
        assert check.detail
        assert check.ok or check.mend


@pytest.mark.parametrize(
    ("check", "ok"),
    [
        (preflight.check_python((3, 10, 9)), False),
        (preflight.check_python((3, 12, 1)), True),
        (preflight.check_python((3, 13, 0)), False),
        (preflight.check_cpus(1), False),
        (preflight.check_memory(3.9), False),
        (preflight.check_memory(4.0), True),
        (preflight.check_disk(Path.cwd(), free_gib=0.5), False),
        (preflight.check_modules({"no_such_module": "no-such-package"}), False),
    ],
)
def test_a_failed_check_says_how_to_mend_it(check, ok):
    assert check.ok is ok
    assert bool(check.mend) is not ok


def test_another_ray_is_refused(monkeypatch):
    monkeypatch.setattr(preflight, "RAY", "9.9.9")
    check = preflight.check_ray()
    assert not check.ok
    assert "ray[data,train,tune]==9.9.9" in check.mend


def test_the_disk_of_a_folder_that_is_not_made_yet_is_found(tmp_path):
    check = preflight.check_disk(tmp_path / "runs" / "new", free_gib=100)
    assert check.ok
    assert str(tmp_path) in check.detail


def script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_ffmpeg_without_an_encoder_or_filter_is_refused(tmp_path):
    body = 'case "$*" in *-version*) echo "ffmpeg version 9.9";; *) echo " V libx264 x"; echo " .. scale V x";; esac'
    check = preflight.check_ffmpeg(script(tmp_path / "ffmpeg", body))
    assert not check.ok
    assert check.detail.startswith("9.9 lacks libx265")
    assert "libvmaf" in check.detail
    assert "libx264" not in check.detail


@pytest.mark.parametrize("body", ["exit 1", "kill -SEGV $$"])
def test_an_ffmpeg_that_does_not_run_is_refused(body, tmp_path):
    assert "does not run" in preflight.check_ffmpeg(script(tmp_path / "ffmpeg", body)).detail
    assert "does not run" in preflight.check_ffmpeg(str(tmp_path / "missing")).detail


def test_a_broken_torch_does_not_take_the_check_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight.sys, "executable", script(tmp_path / "python", "kill -SEGV $$"))
    check = preflight.check_torch()
    assert not check.ok
    assert "signal 11" in check.detail


def test_a_container_s_limit_counts_as_its_memory(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("1073741824\n", encoding="ascii")
    assert preflight.memory_gib(limit) == 1.0
    limit.write_text("max\n", encoding="ascii")
    assert preflight.memory_gib(limit) == preflight.memory_gib(tmp_path / "none")


def test_gpus_are_named_and_a_silent_driver_is_reported(tmp_path):
    assert preflight.check_gpus(tmp_path).detail.startswith("none")
    (tmp_path / "nvidia0").touch()
    assert preflight.check_gpus(tmp_path, lambda: "A GPU, 80 GiB\n").detail == "A GPU, 80 GiB"

    def silent():
        raise subprocess.CalledProcessError(9, "nvidia-smi")

    check = preflight.check_gpus(tmp_path, silent)
    assert not check.ok
    assert not check.needed


def test_the_checks_before_a_run_leave_out_what_the_run_finds_out_itself(monkeypatch):
    def forbidden():
        raise AssertionError("this takes seconds")

    monkeypatch.setattr(preflight, "check_torch", forbidden)
    monkeypatch.setattr(preflight, "check_gpus", forbidden)
    assert {check.name for check in doctor(thorough=False)} >= {"Python", "Ray", "FFmpeg", "disk"}


def test_a_run_stops_at_the_first_failed_check_that_it_needs():
    good = Check("Python", ok=True, detail="3.11")
    slow = Check("CPUs", ok=False, detail="1 usable", mend="more", needed=False)
    bad = Check("FFmpeg", ok=False, detail="lacks libvmaf", mend="install it")
    require([good, slow])
    with pytest.raises(ClusterError, match=r"^FFmpeg: lacks libvmaf; install it$"):
        require([good, slow, bad])
    with pytest.raises(ClusterError, match=r"1 more: python run\.py doctor"):
        require([bad, bad])
