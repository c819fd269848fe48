import json
from pathlib import Path

import pytest

from cluster import ClusterError
from cluster.joining import PACKAGES, RayAddress, check_nodes, chosen, code_digest, travelling

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


@pytest.mark.parametrize(
    ("address", "environment", "place"),
    [
        (None, {}, RayAddress(None, "")),
        (None, {"RAY_ADDRESS": " "}, RayAddress(None, "")),
        (None, {"RAY_ADDRESS": "10.0.0.1:6379"}, RayAddress("10.0.0.1:6379", "RAY_ADDRESS=10.0.0.1:6379")),
        ("auto", {"RAY_ADDRESS": "10.0.0.1:6379"}, RayAddress("auto", "--address auto")),
        ("local", {"RAY_ADDRESS": "10.0.0.1:6379"}, RayAddress(None, "--address local")),
    ],
)
def test_the_option_beats_the_environment_which_beats_an_own_ray(address, environment, place):
    assert chosen(address, environment) == place


@pytest.mark.parametrize(
    ("given", "remedy"), [("ray://head:10001", "ray job submit"), ("http://head:8265", "--address local")]
)
def test_an_address_that_is_none_of_a_cluster_says_what_to_do(given, remedy):
    with pytest.raises(ClusterError, match=f"^RAY_ADDRESS={given}: .*{remedy}"):
        chosen(None, {"RAY_ADDRESS": given})
    with pytest.raises(ClusterError, match=f"^--address {given}: "):
        chosen(given, {})


def test_the_code_and_the_workers_variables_travel():
    sent = travelling({"OMP_NUM_THREADS": "1"}, {})
    assert sent["env_vars"] == {"OMP_NUM_THREADS": "1"}
    assert [Path(path).name for path in sent["py_modules"]] == list(PACKAGES)
    assert all((Path(path) / "__init__.py").is_file() for path in sent["py_modules"])


def test_what_the_job_s_user_gave_is_not_given_again():
    given = {"runtime_env": {"env_vars": {"OMP_NUM_THREADS": "4"}, "py_modules": ["gcs://mine.zip"], "pip": ["x"]}}
    sent = travelling({"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}, {JOB: json.dumps(given)})
    assert sent == {"env_vars": {"PYTHONHASHSEED": "0"}}
    assert "py_modules" in travelling({}, {JOB: json.dumps({"runtime_env": {"working_dir": "gcs://all.zip"}})})


def test_ray_itself_merges_what_travels_with_what_the_job_gave():
    from ray.runtime_env.runtime_env import _merge_runtime_env

    job = {"env_vars": {"OMP_NUM_THREADS": "4"}, "working_dir": "gcs://all.zip"}
    variables = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    merged = _merge_runtime_env(job, travelling(variables, {JOB: json.dumps({"runtime_env": job})}))
    assert merged is not None, "a conflict"
    assert merged["env_vars"] == {"OMP_NUM_THREADS": "4", "PYTHONHASHSEED": "0"}


def test_the_digest_of_the_code_is_of_what_is_imported(tmp_path, monkeypatch):
    before = code_digest()
    monkeypatch.syspath_prepend(tmp_path)
    assert code_digest() == before
    with monkeypatch.context() as changed:
        changed.setattr("cluster.joining.PACKAGES", PACKAGES[:-1])
        assert code_digest() != before


HERE = {"Ray": "2.58.0", "Python": "3.11.7", "project": "0123abcd"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {**HERE, "Ray": "2.57.0", "sees": True},
            r"node 10\.0\.0\.2 has another version of Ray: 2\.57\.0, here 2\.58\.0",
        ),
        (
            {**HERE, "Python": "3.12.1", "sees": True},
            r"another version of Python: 3\.12\.1, here 3\.11\.7; install the same",
        ),
        ({**HERE, "project": "ffffffff", "sees": True}, r"another version of project: ffffffff, here 0123abcd"),
        ({**HERE, "project": None, "sees": True}, r"lacks this project's packages; connect with ray\.init"),
        ({**HERE, "sees": False}, r"does not see the run folder /shared/run: name a place with --out"),
        ("No module named 'x'", r"cannot run this project's code: No module named 'x'"),
    ],
)
def test_a_node_that_does_not_fit_is_one_line(monkeypatch, answer, said):
    monkeypatch.setattr("cluster.joining.versions", lambda: HERE)
    monkeypatch.setattr(
        "cluster.joining._answers", lambda question: [("10.0.0.1", {**HERE, "sees": True}), ("10.0.0.2", answer)]
    )
    with pytest.raises(ClusterError, match=said) as caught:
        check_nodes(Path("/shared/run"))
    assert "\n" not in str(caught.value)


def test_nodes_that_fit_pass(monkeypatch):
    monkeypatch.setattr("cluster.joining.versions", lambda: HERE)
    monkeypatch.setattr("cluster.joining._answers", lambda question: [("10.0.0.1", {**HERE, "sees": True})])
    check_nodes(Path("/shared/run"))
