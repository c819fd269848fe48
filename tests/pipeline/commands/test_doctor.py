import pytest

from cluster import ClusterError
from cluster.preflight import Check
from pipeline.commands import doctor

FINE = Check("Python", ok=True, detail="3.12")


@pytest.fixture
def checks(monkeypatch):
    def use(*checks):
        monkeypatch.setattr(doctor, "doctor", lambda: list(checks))

    return use


def test_a_ready_machine(call, checks):
    checks(FINE)
    output = call("doctor")
    assert output.code == 0
    assert output.out.endswith("ready\n")


def test_a_needed_fault_ends_with_3_and_its_remedy(call, checks):
    checks(FINE, Check("FFmpeg", ok=False, detail="lacks libvmaf", mend="install imageio-ffmpeg again"))
    output = call("doctor")
    assert output.code == 3
    assert "FAILED" in output.out
    assert "FFmpeg: install imageio-ffmpeg again" in output.out
    assert "1 needed check(s) failed" in output.out


def test_a_fault_that_is_not_needed_is_a_note(call, checks):
    checks(FINE, Check("GPUs", ok=False, detail="no answer", mend="install the driver", needed=False))
    output = call("doctor")
    assert output.code == 0
    assert "note" in output.out
    assert "install the driver" in output.out


def test_a_cluster_that_cannot_be_joined_is_a_fault(call, checks, monkeypatch):
    def refused(address, settings):
        raise ClusterError(f"--address {address}: no Ray cluster can be joined there")

    monkeypatch.setattr("cluster.session.connect", refused)
    checks(FINE)
    output = call("doctor", "--address", "198.51.100.7:6379")
    assert output.code == 3
    assert "no Ray cluster can be joined" in output.out


def test_this_machine_is_looked_at(call):
    output = call("doctor")
    assert "PyTorch" in output.out
    assert "FFmpeg" in output.out
