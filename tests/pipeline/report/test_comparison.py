import pytest
from committed import commit_evaluation
from judged_runs import judged_run

from pipeline.console import UserError
from pipeline.corpus.proxies import SUITES
from pipeline.report.comparison import difference, judged, of_runs, same_copies
from pipeline.run_folder.records import BENCHMARK, STUDENT_SCORES
from pipeline.run_folder.store import read_json, read_table, write_json, write_table

WITHIN = ("unseen", "within")


@pytest.fixture
def made(tmp_path):
    """`made(noise, ...)`: a student."""
    number = iter(range(100))
    return lambda noise, **how: judged(judged_run(tmp_path / str(next(number)), noise, **how))


def test_a_student_is_that_of_the_last_evaluated_round_unless_one_is_named(tmp_path):
    layout = judged_run(tmp_path / "a", 0.1)
    judged_run(tmp_path / "a", 3.0, stage=3)
    assert judged(layout).stage == 3
    assert judged(layout, 1).stage == 1
    assert judged(layout, 1).values[WITHIN] > judged(layout, 3).values[WITHIN]


@pytest.mark.parametrize("stage", [None, 2])
def test_a_student_that_was_not_evaluated_is_named(tmp_path, stage):
    layout = judged_run(tmp_path / "a", 0.1)
    if stage is None:
        layout.benchmark_student_scores(1).unlink()
    with pytest.raises(UserError, match=r"no student.* of this run has been evaluated; finish the run first"):
        judged(layout, stage)


def test_the_figures_are_those_of_the_benchmark(made):
    one = made(0.0)
    assert one.values[WITHIN] == pytest.approx(1)
    assert one.ensemble[WITHIN] == 0.2
    assert of_runs([one], WITHIN).spread is None


def test_students_on_the_same_copies_are_compared_copy_by_copy(made):
    good, also = made(0.5), made(0.501)
    assert same_copies(good, also, "unseen")
    paired = difference([(good, made(0.5))], WITHIN)
    assert (paired.mean, paired.low, paired.high) == (0, 0, 0), "what is easy for both cancels altogether"


def test_students_on_other_copies_have_wider_intervals(made):
    here, there = made(0.5), made(0.5, seed=1)
    assert not same_copies(here, there, "unseen")
    found = difference([(here, there)], WITHIN)
    assert found.high - found.low > 0.1


def test_a_difference_over_seeds_is_that_of_runs_with_the_same_seed(made):
    runs = [(made(1.0, seed=seed), made(0.1, seed=seed)) for seed in range(3)]
    found = difference(runs, WITHIN)
    assert len(found.values) == 3
    assert found.mean == pytest.approx(sum(b.values[WITHIN] - a.values[WITHIN] for a, b in runs) / 3)
    assert found.low > 0
    assert found.holds_zero is False


def test_too_few_sources_leave_the_interval_out_and_the_figure_in(made):
    found = of_runs([made(0.5, sources=2)], WITHIN)
    assert found.low is None
    assert found.mean > 0


def test_an_undefined_figure_is_no_figure(made):
    one, other = made(0.5), made(0.5, sources=0)
    assert of_runs([other], WITHIN) is None
    assert difference([(one, other)], WITHIN) is None
    assert difference([], WITHIN) is None


def other_benchmark(layout):
    """The benchmark of another seed in place of this one: the same ids, other copies."""
    for suite in SUITES:
        rows = read_table(layout.benchmark(suite), BENCHMARK).to_pylist()
        write_table(
            layout.benchmark(suite), BENCHMARK.table([{**row, "mos": 100 - row["mos"]} for row in rows]), BENCHMARK
        )


def test_old_scores_are_never_those_of_a_new_benchmark_with_the_same_ids(tmp_path):
    layout = judged_run(tmp_path / "a", 0.1)
    other_benchmark(layout)
    for stage in (None, 1):
        with pytest.raises(UserError, match="since the benchmark or the student was made again; repeat the command"):
            judged(layout, stage)
    commit_evaluation(layout, 1)
    assert judged(layout).values[WITHIN] < 0, "the next evaluation counts"


def test_scores_of_a_student_that_is_trained_again_are_not_those_of_the_new_one(tmp_path):
    layout = judged_run(tmp_path / "a", 0.1)
    manifest = read_json(layout.manifest("train-1"))
    write_json(layout.manifest("train-1"), {**manifest, "outputs": {"round-1/student": "another"}})
    with pytest.raises(UserError, match="made again"):
        judged(layout)
    layout.manifest("train-1").unlink()
    with pytest.raises(UserError, match="made again"):
        judged(layout)


@pytest.mark.parametrize("step", ["evaluate-1", "benchmark-teachers"])
def test_scores_of_an_unfinished_evaluation_do_not_count(tmp_path, step):
    layout = judged_run(tmp_path / "a", 0.1)
    layout.manifest(step).unlink()
    with pytest.raises(UserError, match="repeat the command"):
        judged(layout)


def test_the_rounds_before_the_one_that_is_evaluated_again_still_count(tmp_path):
    layout = judged_run(tmp_path / "a", 0.1)
    judged_run(tmp_path / "a", 0.5, stage=2)
    layout.manifest("evaluate-2").unlink()
    assert judged(layout).stage == 1


def test_copies_without_a_score_are_counted_and_give_no_figure(tmp_path):
    layout = judged_run(tmp_path / "a", 0.1)
    scores = read_table(layout.benchmark_student_scores(1), STUDENT_SCORES)
    write_table(layout.benchmark_student_scores(1), scores.slice(4), STUDENT_SCORES)
    commit_evaluation(layout, 1)
    with pytest.raises(UserError, match=r"benchmark-scores\.parquet: 4 of 30 seen copies have no score"):
        judged(layout)
