import pytest

from actors.score import BatchedTeacherScorer, TeacherScorer
from pipeline.look.chain import score_pools
from pipeline.settings.sections import ScorePoolConfig


def test_on_cpus_one_actor_holds_all_teachers_and_on_gpus_one_each():
    names = ["niqe", "fastvqa", "dover"]
    (together,) = score_pools(names, "weights", ScorePoolConfig())
    assert together.options | {"last": []} == {"names": names, "weights": "weights", "last": []}
    assert together.memory_gib > 4 * (28_127_901 + 56_218_302) / 2**30, (
        "room for both networks' weights and for the work"
    )
    assert [pool.memory_gib for pool in score_pools(["niqe"], "", ScorePoolConfig())] == [0.0]
    apart = score_pools(names, "", ScorePoolConfig(gpus=0.5, batch=3))
    assert [pool.options["names"] for pool in apart] == [["niqe"], ["fastvqa"], ["dover"]]
    assert {(pool.work, pool.batch, pool.memory_gib) for pool in apart} == {(BatchedTeacherScorer, 3, 0.0)}
    assert {pool.work for pool in score_pools(names, "", ScorePoolConfig(gpus=1, batch=1))} == {TeacherScorer}
    assert score_pools([], "", ScorePoolConfig()) == []


def test_a_teacher_may_take_another_share_of_a_gpu_than_the_others():
    how = ScorePoolConfig(gpus=0.25, gpus_of={"niqe": 1, "piqe": 0})
    pools = score_pools(["niqe", "brisque", "piqe", "exposure"], "", how)
    assert [(pool.options["names"], pool.gpus) for pool in pools] == [
        (["niqe"], 1),
        (["brisque"], 0.25),
        (["exposure"], 0.25),
        (["piqe"], 0),
    ]


@pytest.mark.parametrize("shares", [{"niqe": 0.3}, {"niqe": 2}])
def test_a_share_that_fills_no_gpu_is_refused(shares):
    with pytest.raises(ValueError, match=r"use 0, 0\.25, 0\.5 or 1"):
        ScorePoolConfig(gpus_of=shares)


def test_a_view_leaves_the_rows_with_the_last_pool_that_is_shown_it():
    names = ["minimalistic_vii", "minimalistic_ix", "fastvqa", "dover"]
    apart = score_pools(names, "", ScorePoolConfig(gpus=1), later=("dover_whole",))
    assert [sorted(pool.options["last"]) for pool in apart] == [
        [], ["key_frames", "motion_clips"], ["fastvqa_fragments"], ["dover_fragments"],
    ]  # fmt: skip
    (together,) = score_pools(names, "", ScorePoolConfig(), later=("dover_whole",))
    assert sorted(together.options["last"]) == ["dover_fragments", "fastvqa_fragments", "key_frames", "motion_clips"]
