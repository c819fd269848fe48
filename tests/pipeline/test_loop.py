import pytest

from pipeline import loop
from pipeline.loop import run_all, steps_of
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.store import write_json

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


def test_measuring_whether_to_stop_adds_a_step_before_each_mining(steps):
    usual, measured = names(steps("stages=3")), names(steps("stages=3", "stopping.measure=true"))
    assert [name for name in measured if name not in usual] == ["decide-1", "decide-2"]
    assert measured.index("decide-1") == measured.index("mine-1") - 1


def test_the_rounds_end_where_it_was_decided_to_stop(steps, tables):
    assert names(steps("stages=auto:3"))[-2] == "evaluate-3", "nothing has been decided yet"
    write_json(tables.layout.decision(1), {"stop": False, "keep": 1})
    write_json(tables.layout.decision(2), {"stop": True, "keep": 2})
    assert names(steps("stages=auto:4"))[-2:] == ["decide-2", "report"]
    assert names(steps("stages=4", "stopping.measure=true"))[-2] == "evaluate-4", "it is only measured"
    report = steps("stages=auto:4")[-1]
    assert [name for name in report.inputs if name.startswith("metrics")] == ["metrics 1", "metrics 2"]
    assert [name for name in report.inputs if name.startswith("decision")] == ["decision 1", "decision 2"]


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


def changed(before, after):
    """Names of the steps whose inputs, apart from what earlier steps write, are not the same."""
    inputs = {step.name: step.inputs for step in before}
    return {step.name for step in after if step.inputs != inputs.get(step.name)}


@pytest.mark.parametrize(
    ("entry", "steps_that_run"),
    [
        ("training.lambda=0.3", {"train-1", "train-2"}),
        ("mining.pairs=7", {"mine-1"}),
        ("benchmark.levels=4", {"benchmark"}),
        ("corpus.limit=9", {"ingest"}),
        ("seed=9", None),
        ("run.threads=3", set()),
        ("pools.score.timeout_s=5", set()),
        ("errors.budget=0.9", set()),
    ],
)
def test_a_changed_value_changes_the_inputs_of_the_steps_that_depend_on_it(steps, entry, steps_that_run):
    usual = steps("stages=2")
    found = changed(usual, steps("stages=2", entry))
    if steps_that_run is None:
        assert found >= {"ingest", "distort-1", "pair-1", "train-1"}
    else:
        assert found == steps_that_run


def test_another_teacher_changes_the_looks_that_teachers_take_part_in_and_no_copy(tables, configured):
    two, three = (
        list(steps_of(tables.run(configured(f"teachers.names=[{names}]", "stages=2"))))
        for names in ("artefact, sharpness", "artefact, sharpness, piqe")
    )
    assert changed(two, three) >= {"score", "benchmark"}
    assert not changed(two, three) & {"ingest", "distort-1", "distort-2"}
