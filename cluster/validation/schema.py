"""Keys and types: a JSON schema's complaints as lines for a user."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from cluster.validation.finding import Finding, Path


@functools.cache
def shipped(name: str) -> dict[str, Any]:
    """A schema that lies beside this file."""
    text = resources.files("cluster.validation").joinpath(name).read_text(encoding="utf-8")
    return dict(json.loads(text))


def complaints(tree: Any, schema: dict[str, Any], source: str, path: Path = ()) -> Iterator[Finding]:
    """What a schema refuses, one finding for each place.

    Args:
        tree: Of the document.
        schema: With its dialect in `$schema`.
        source: Whose schema it is.
        path: Of the tree in the document.
    """
    import jsonschema

    validator = jsonschema.validators.validator_for(schema)(schema)
    for error in sorted(validator.iter_errors(tree), key=lambda one: [str(step) for step in one.absolute_path]):
        yield from _explained(error, source, path)


def _explained(error: Any, source: str, above: Path) -> Iterator[Finding]:
    path = (*above, *error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        for key in error.instance:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                mend = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known)) or 'none'}"
                yield Finding((*path, key), "unknown key", mend, source=source)
    elif error.validator == "required":
        for key in error.validator_value:
            if key not in error.instance:
                yield Finding(path, f"the key {key} is missing", "add it", source=source)
    elif error.validator in ("anyOf", "oneOf") and error.context:
        deepest = max(error.context, key=lambda one: len(one.absolute_path))
        yield from _explained(deepest, source, above)
    elif error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        yield Finding(path, f"{error.instance!r} is no {' or '.join(kinds)}", source=source)
    elif error.validator == "enum":
        yield Finding(
            path, f"{error.instance!r} is none of {', '.join(map(str, error.validator_value))}", source=source
        )
    else:
        yield Finding(path, error.message, source=source)
