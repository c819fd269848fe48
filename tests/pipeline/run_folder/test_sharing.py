import io
import os

import pytest

from pipeline.console import Console
from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.sharing import adopt
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import write_bytes


class Study:
    """Two runs with one step each, which writes a file and a folder; `made` counts how often it worked."""

    def __init__(self, root):
        self.layouts = [RunLayout(root / name) for name in ("first", "second")]
        self.made = 0

    def step(self, layout, value):
        def work():
            self.made += 1
            write_bytes(layout.videos, str(value).encode())
            write_bytes(layout.features / "pool" / "shard-00000.parquet", b"features")
            write_bytes(layout.scores("niqe") / "shard-00000.parquet", b"scores")
            return {"rows": 1, "what": "made"}

        return Step("ingest", {"value": value}, [layout.videos, layout.features], work, beside=[layout.scores("niqe")])

    def run(self, number, value=1, siblings=True):
        layout, stream = self.layouts[number], io.StringIO()
        others = [one for one in self.layouts if one is not layout] if siblings else []

        def adopted(step, whole, digests):
            found = adopt(step, whole, layout, digests, others)
            return f"in {found[1].root.name}" if found else None

        ran = Steps(layout, Console(stream), adopt=adopted).run(self.step(layout, value))
        return ran, stream.getvalue()


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_a_step_with_equal_inputs_is_made_once_and_linked(study):
    study.run(0)
    ran, said = study.run(1)
    assert (ran, study.made) == (False, 1)
    assert "in first" in said
    first, second = study.layouts
    assert first.videos.samefile(second.videos)
    assert (first.features / "pool" / "shard-00000.parquet").samefile(second.features / "pool" / "shard-00000.parquet")
    assert (second.scores("niqe") / "shard-00000.parquet").read_bytes() == b"scores", "what lies beside it comes along"
    assert study.run(1, siblings=False)[0] is False, "it is committed here as well"


def test_a_step_with_other_inputs_is_made(study):
    study.run(0, value=1)
    assert study.run(1, value=2)[0] is True
    assert study.layouts[0].videos.read_bytes() == b"1", "the other run's file is another one"
    assert study.layouts[1].videos.read_bytes() == b"2"


def test_what_a_sibling_has_damaged_is_not_taken_over(study):
    study.run(0)
    study.layouts[0].videos.write_bytes(b"x")
    assert study.run(1)[0] is True
    assert study.layouts[1].videos.read_bytes() == b"1"
    assert study.layouts[0].videos.read_bytes() == b"x"


def test_what_a_sibling_has_lost_is_made(study):
    study.run(0)
    study.layouts[0].videos.unlink()
    assert study.run(1)[0] is True


def test_a_later_change_in_one_run_does_not_reach_the_other(study):
    study.run(0)
    study.run(1)
    study.run(0, value=3)
    assert study.layouts[1].videos.read_bytes() == b"1"
    assert study.run(1)[0] is False


def test_a_disk_without_links_gets_copies(study, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    study.run(0)
    assert study.run(1)[0] is False
    assert not study.layouts[0].videos.samefile(study.layouts[1].videos)
    assert study.layouts[1].videos.read_bytes() == b"1"


def test_a_damaged_manifest_of_a_sibling_is_no_offer(study):
    study.run(0)
    study.layouts[0].manifest("ingest").write_text("{", encoding="utf-8")
    layout = study.layouts[1]
    step = study.step(layout, 1)
    assert adopt(step, "f", layout, Digests(layout), [study.layouts[0]]) is None
