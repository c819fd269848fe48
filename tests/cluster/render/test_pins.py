"""The versions of the image: all of the project's libraries, in the releases that pyproject.toml admits."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cluster import ClusterError
from cluster.preflight import RAY
from cluster.render.pins import lines, pins, requirements

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def pinned():
    """Name -> version of the committed file."""
    text = (ROOT / "cluster" / "constraints.txt").read_text(encoding="utf-8")
    return dict(line.split("==") for line in text.splitlines() if not line.startswith("#"))


def test_every_requirement_is_pinned_to_a_version_that_it_admits(pinned):
    for one in requirements(ROOT / "pyproject.toml"):
        assert one.specifier.contains(pinned[canonicalize_name(one.name)], prereleases=True), str(one)
    assert pinned["ray"] == RAY


def test_what_the_libraries_need_in_turn_is_pinned_too(pinned):
    here = pins(
        requirements(ROOT / "pyproject.toml", "kubernetes")[:-1]
    )  # without an extra, which a user need not have
    assert len(here) > 60
    assert set(here) - set(pinned) == set()


def test_local_builds_are_admitted():
    assert "+" not in "".join(pins([Requirement("torch")]).values())


def test_a_library_that_is_missing_is_named():
    with pytest.raises(ClusterError, match="surely-not-there is not installed"):
        pins([Requirement("surely-not-there")])


def test_the_text_is_one_line_for_each():
    assert lines({"a": "1", "b": "2"}).splitlines()[-2:] == ["a==1", "b==2"]


def test_every_file_that_the_program_reads_is_in_the_wheel():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]["*"]
    for folder in ("render", "render/templates", "validation"):
        package = ROOT / "cluster" / folder.partition("/")[0]
        shipped = {path for pattern in patterns for path in package.glob(pattern)}
        read = {path for path in (ROOT / "cluster" / folder).iterdir() if path.is_file() and path.suffix != ".py"}
        assert read
        assert read <= shipped, sorted(map(str, read - shipped))
