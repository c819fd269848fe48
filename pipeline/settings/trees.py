"""Configurations as trees of keys, before anything is checked: files, entries `a.b=c`, and one laid over another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pipeline.console import UserError
from pipeline.settings.sections import DEFAULT_TEACHERS
from trainers.places import Place, place
from trainers.student.table import DEFAULT


class ConfigError(UserError):
    """A configuration that cannot be used; exit code 2."""


def read_file(path: Place) -> dict[str, Any]:
    """The tree of a YAML or JSON file.

    Raises:
        ConfigError: It cannot be read, or holds no keys.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}; name a readable YAML or JSON file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise ConfigError(f"--config {path}{where}: this is not valid YAML or JSON") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"--config {path}: the file must hold keys and values, for example 'seed: 1'")
    return tree


def given_tree(overrides: Sequence[str], flags: Mapping[str, object]) -> dict[str, Any]:
    """The tree that named flags and `--set` give."""
    tree: dict[str, Any] = {}
    places = {"seed": "seed", "stages": "stages", "videos": "corpus.videos", "limit": "corpus.limit"}
    for name, value in flags.items():
        if value is not None:
            put(tree, places[name], value)
    for entry in overrides:
        key, equals, text = entry.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {entry!r} is not of the form a.b=c; for example --set training.epochs=4")
        try:
            put(tree, key.strip(), yaml.safe_load(text))
        except yaml.YAMLError:
            raise ConfigError(f"--set {key.strip()}: the value {text!r} is not valid YAML; quote it") from None
    return tree


def put(tree: dict[str, Any], dotted: str, value: object) -> None:
    """Put a value at a dotted key of a tree, with the groups above it.

    Raises:
        ConfigError: One of these groups is a value.
    """
    *parents, last = dotted.split(".")
    for depth, part in enumerate(parents):
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{dotted}: {'.'.join(parents[: depth + 1])} is a value, not a group of keys")
        tree = inner
    tree[last] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with another one laid over it, group by group."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every dotted key of a tree, groups of keys as well, with its value."""
    keys: dict[str, Any] = {}
    for name, value in tree.items():
        keys[f"{prefix}{name}"] = value
        if isinstance(value, Mapping):
            keys |= dotted(value, f"{prefix}{name}.")
    return keys


def set_keys(overrides: Sequence[str]) -> dict[str, Any]:
    """Every dotted key that entries `a.b=c` give, groups of keys as well, with its value.

    Raises:
        ConfigError: An entry has another form.
    """
    return dotted(given_tree(overrides, {}))


def file_keys(file: str | Place) -> dict[str, Any]:
    """Every dotted key that a configuration file gives, groups of keys as well, with its value.

    Raises:
        ConfigError: The file cannot be read.
    """
    return dotted(read_file(place(file)))


def without_others_options(tree: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A tree less the options of its student where `over` names another student, which does not know them."""
    own, named = tree.get("student", {}), over.get("student")
    if not isinstance(own, Mapping) or not isinstance(named, Mapping):
        return tree
    if named.get("name", own.get("name", DEFAULT)) == own.get("name", DEFAULT):
        return tree
    return {**tree, "student": {name: value for name, value in own.items() if name != "options"}}


def teacher_names(tree: Mapping[str, Any]) -> Sequence[str]:
    """The teachers that a tree names, which nobody has checked yet; none where it holds something else in their place."""
    section = tree.get("teachers", {})
    names = section.get("names", DEFAULT_TEACHERS) if isinstance(section, Mapping) else ()
    return names if isinstance(names, list | tuple) else ()
