"""Any cluster file: its kind is found, and what is no cluster file is refused in one line."""

import pytest
from mutate import CLUSTER

from cluster import ClusterError
from cluster.validation import check
from cluster.validation.check import check_file, check_text
from cluster.validation.security import secrets_in


@pytest.mark.parametrize(
    "name", ["aws.yaml", "gcp.yaml", "rayjob.yaml", "raycluster.yaml", "skypilot.yaml", "slurm.sh"]
)
def test_the_committed_files_are_read_and_only_their_examples_are_named(name):
    found = check_file(CLUSTER / name)
    assert found
    assert all("is an example" in one.what and not one.error and one.line for one in found)


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "just words\n", "apiVersion: v1\nkind: Pod\n"])
def test_what_is_no_cluster_file_is_refused(text):
    with pytest.raises(ClusterError, match="neither of"):
        check_text(text, "file")


def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path, monkeypatch):
    for path, said in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ClusterError, match=said):
            check_file(path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClusterError, match="no UTF-8 text"):
        check_file(tmp_path / "bytes")
    monkeypatch.setattr(check, "MOST_BYTES", 10)
    (tmp_path / "long").write_text("a" * 11, encoding="utf-8")
    with pytest.raises(ClusterError, match="larger than"):
        check_file(tmp_path / "long")


def test_errors_come_before_notes_and_name_their_line():
    text = (CLUSTER / "aws.yaml").read_text(encoding="utf-8").replace("priority: 10", "priorty: 10", 1)
    found = check_text(text, "file")
    line = 1 + next(number for number, one in enumerate(text.splitlines()) if "priorty" in one)
    assert [one.error for one in found] == sorted((one.error for one in found), reverse=True)
    assert f"file:{line}:" in found[0].text("file")
    assert "did you mean priority?" in found[0].text("file")


SECRETS = {
    "AWS": "AKIA" + "Z" * 16,
    "Hugging Face": "hf_" + "a" * 34,
    "GitHub": "ghp_" + "b" * 36,
    "Google": "AIza" + "c" * 35,
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_found_anywhere_and_its_value_is_never_repeated(secret):
    found = list(secrets_in({"run": [f"echo {secret}"]}))
    assert len(found) == 1
    assert found[0].error
    assert secret not in found[0].text("file")


@pytest.mark.parametrize(
    "harmless",
    [
        {"secretName": "mine"},
        {"env": [{"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "w2s", "key": "auth_token"}}}]},
        {"file_mounts": {"~/.ray/auth_token": "~/.ray/auth_token"}},
        {"secrets": {"RAY_AUTH_TOKEN": None}},
        {"run": "export RAY_AUTH_TOKEN=$TOKEN"},
        {"token": "${TOKEN}"},
    ],
)
def test_a_reference_to_a_secret_is_none(harmless):
    assert list(secrets_in(harmless)) == []
