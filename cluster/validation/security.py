"""What holds for every cluster file: no secret in it, a token for Ray, nothing open, and nothing left as an example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cluster.validation.finding import Finding, Path, scalars

# What a secret looks like, by who gives it. The value itself is never shown.
SECRETS = {
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a token of Hugging Face": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "an API key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a token of GitHub": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
}
_NAMED = re.compile(r"(?:^|[_.-])(?:secret|password|token|api_?key|access_key)(?:$|[_.-])", re.IGNORECASE)
_ASSIGNED = re.compile(r"\b(RAY_AUTH_TOKEN|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|HF_TOKEN)=([^\s;\"'$]+)")
_HARMLESS = re.compile(r"(?:\$|~?/|\{\{)")  # a variable, a path or a place-holder
_KEYS_WITHOUT_SECRET = {"secretName", "secretKeyRef", "secretRef", "HttpTokens", "automountServiceAccountToken"}


def secrets_in(tree: Any) -> Iterator[Finding]:
    """Values that look like secrets, or stand under a name that is one's."""
    for path, value in scalars(tree):
        text = value if isinstance(value, str) else ""
        kinds = [kind for kind, pattern in SECRETS.items() if pattern.search(text)]
        kinds += [f"a value of {match[1]}" for match in _ASSIGNED.finditer(text)]
        key = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
        named = key not in _KEYS_WITHOUT_SECRET and _NAMED.search(key) and text and not _HARMLESS.match(text)
        if not kinds and (named or _value_of_a_secret(tree, path)):
            kinds = [f"the value of {key}"]
        for kind in kinds[:1]:
            yield Finding(
                path,
                f"{kind} stands in the file",
                "whoever reads the file has it: take it out, make it invalid, and give it by a secret of the provider or a role",
            )


def _value_of_a_secret(tree: Any, path: Path) -> bool:
    """Kubernetes' form: `{name: SOME_TOKEN, value: ...}`."""
    if not path or path[-1] != "value":
        return False
    for step in path[:-1]:
        tree = tree[step]
    name, value = tree.get("name"), tree.get("value")
    return isinstance(name, str) and isinstance(value, str) and bool(_NAMED.search(name) and value)


def examples_in(tree: Any) -> Iterator[Finding]:
    """Values that stand for those of the user."""
    seen: set[str] = set()
    for path, value in scalars(tree):
        if isinstance(value, str):
            found = re.findall(r"[\w./:-]*\bexample\b[\w./:-]*|\b123456789012\b", value)
            for word in found:
                if word not in seen:
                    seen.add(word)
                    yield Finding(path, f"{word} is an example", "put your own there", error=False)


def image_pinned(path: Path, image: object) -> Iterator[Finding]:
    """An image says which one it is."""
    if not isinstance(image, str):
        return
    name = image.rsplit("/", 1)[-1]
    if "@sha256:" not in image and (":" not in name or name.endswith(":latest")):
        yield Finding(
            path,
            f"{image} is another image tomorrow",
            "name a version or a digest: nodes that come later must have the same code",
        )
