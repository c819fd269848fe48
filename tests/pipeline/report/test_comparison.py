import pytest
from judged_runs import judged_run

from pipeline.console import UserError
from pipeline.report.comparison import difference, judged, of_runs, same_copies

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
