"""SkyPilot's tasks: its own keys and types, and what they cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.validation.finding import Finding, at, mapping
from cluster.validation.schema import complaints, shipped


def is_task(tree: Any) -> bool:
    """Whether a document is a task of SkyPilot."""
    return (
        isinstance(tree, dict)
        and "resources" in tree
        and "apiVersion" not in tree
        and ("run" in tree or "setup" in tree)
    )


def check(tree: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with a task."""
    yield from complaints(tree, shipped("skypilot.schema.json"), "SkyPilot 0.14.1, sky.utils.schemas")
    run = str(tree.get("run", ""))
    if "ray start" in run:
        if at(tree, "envs", "RAY_AUTH_MODE") != "token" and "RAY_AUTH_MODE=token" not in run:
            yield Finding(
                ("run",), "starts Ray without a token: whoever reaches a port runs code", "envs: {RAY_AUTH_MODE: token}"
            )
        elif "RAY_AUTH_TOKEN" not in mapping(tree, "secrets"):
            yield Finding((), "every machine would make a token of its own", "secrets: {RAY_AUTH_TOKEN: null}")
        if "--port=6380" in run or "--port 6380" in run or "ray stop" in run:
            yield Finding(
                ("run",), "meets SkyPilot's own Ray on port 6380", "another port, and no ray stop",
                source="SkyPilot's documentation, Ray",
            )  # fmt: skip
    if "autostop" not in mapping(tree, "resources"):
        yield Finding(
            ("resources",),
            "machines stay, and cost, after the run",
            "autostop: {idle_minutes: 10, down: true}",
            error=False,
        )
    for key, value in mapping(tree, "secrets").items():
        if value not in (None, ""):
            yield Finding(("secrets", key), f"the value of {key} stands in the file", f"null here, and --secret {key}")
