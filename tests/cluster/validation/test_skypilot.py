"""SkyPilot's tasks: its own schema, shipped as data, and what the schema cannot say."""

import json

import pytest
from mutate import CLUSTER, REMOVED, errors, mutated, notes

from cluster.validation.schema import shipped

RUN = "ray start --head --port=6479\n"
ERRORS = {
    "a typo": (("num_node", 2), "did you mean num_nodes?"),
    "a typo in resources": (("resources/acelerators", "H200:8"), "did you mean accelerators?"),
    "a typo in a choice": (("resources/ordered/0/use_spots", True), "did you mean use_spot?"),
    "a text for a number": (("num_nodes", "two"), "'two' is no integer"),
    "a cloud that is none": (("resources/cloud", "amazn"), "amazn"),
    "no token": (("envs", {}), "starts Ray without a token"),
    "a token for each machine": (("secrets", REMOVED), "would make a token of its own"),
    "a token in the file": (("secrets/RAY_AUTH_TOKEN", "abc"), "the value of RAY_AUTH_TOKEN stands in the file"),
    "SkyPilot's own port": (("run", "ray start --head --port=6380"), "meets SkyPilot's own Ray"),
    "the end of SkyPilot's own Ray": (("run", f"ray stop; {RUN}"), "meets SkyPilot's own Ray"),
}


@pytest.mark.parametrize(("change", "said"), ERRORS.values(), ids=ERRORS)
def test_a_mutation_of_the_task_is_named(change, said):
    lines = errors(mutated("skypilot.yaml", change))
    assert any(said in line for line in lines), lines


def test_machines_that_stay_are_a_note():
    assert any(
        "cost, after the run" in line for line in notes(mutated("skypilot.yaml", ("resources/autostop", REMOVED)))
    )


def test_the_committed_file_has_no_error_and_nothing_but_examples_to_replace():
    text = (CLUSTER / "skypilot.yaml").read_text(encoding="utf-8")
    assert errors(text) == []
    assert notes(text) == []


def test_the_shipped_schema_is_that_of_the_package():
    schemas = pytest.importorskip(
        "sky.utils.schemas", reason="SkyPilot is not installed: its schema stays unproved here"
    )

    def keys(node):
        if isinstance(node, dict):
            own = {f"{name}" for name in node.get("properties", {})}
            return own.union(*(keys(value) for value in node.values())) if node else own
        return set().union(*(keys(one) for one in node)) if isinstance(node, list) and node else set()

    theirs = keys(json.loads(json.dumps([schemas.get_task_schema(), schemas.get_resources_schema()])))
    assert keys(shipped("skypilot.schema.json")) == theirs
