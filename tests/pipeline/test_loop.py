import pytest

from pipeline import loop
from pipeline.loop import run_all, steps_of
from pipeline.run_folder.manifest import Steps

BEFORE = ["ingest", "score", "teachers", "benchmark", "benchmark-teachers", "distort-1", "pair-1"]


@pytest.fixture
def steps(tables, configured):
    """`steps("a.b=c", ...)`: the steps of a run with two teachers."""
    return lambda *entries: list(steps_of(tables.run(configured("teachers.names=[artefact, sharpness]", *entries))))


def names(steps):
    return [step.name for step in steps]


def test_a_round_trains_judges_and_evaluates_and_its_mistakes_make_the_pairs_of_the_next(steps):
    rounds = ["train-1", "judge-1", "evaluate-1", "distort-2", "mine-1", "pair-2", "train-2", "judge-2", "evaluate-2"]
    assert names(steps("stages=2"))[7:] == [*rounds, "report"]


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_one_stage_more_only_appends_before_the_report(steps, stages):
    fewer, more = steps(f"stages={stages}"), steps(f"stages={stages + 1}")
    earlier = fewer[:-1]
    assert names(more)[: len(earlier)] == names(earlier)
    assert [step.inputs for step in more[: len(earlier)]] == [step.inputs for step in earlier], (
        "none of them runs again"
    )
    assert names(fewer)[-1] == names(more)[-1] == "report"
    assert len(more) == len(fewer) + 6


def test_shaping_adds_its_two_steps_behind_ingest_and_nothing_else(steps):
    usual, shaped = names(steps("stages=1")), names(steps("stages=1", "shaping.keep=5"))
    assert shaped == [usual[0], "measure", "shape", *usual[1:]]


def test_every_step_has_a_name_and_outputs_of_its_own(steps):
    everything = steps("stages=3", "shaping.keep=5")
    assert len(set(names(everything))) == len(everything)
    outputs = [path for step in everything for path in step.outputs]
    assert len(set(outputs)) == len(outputs)


def test_a_run_takes_its_steps_in_order_and_then_drops_its_downloads(tables, configured, monkeypatch):
    done = []

    def work(_self, step):
        assert tables.layout.downloads.is_dir(), "later steps read what earlier steps downloaded"
        done.append(step)

    monkeypatch.setattr(Steps, "run", work)
    monkeypatch.setattr(loop, "steps_of", lambda run: iter(["first", "second"]))
    tables.layout.downloads.mkdir(parents=True)
    (tables.layout.downloads / "a.mp4").write_bytes(b"x")
    run_all(tables.run(configured()))
    assert done == ["first", "second"]
    assert not tables.layout.downloads.exists()
