import pytest

from pipeline.console import Console, UserError
from pipeline.student.released import add_anchors


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([f"v{k}.mp4,{20 * k}" for k in range(4)], "name exactly 5 videos of different scores"),
        ([f"v{k}.mp4,{20 * k}" for k in range(6)], "name exactly 5 videos of different scores"),
        ([f"v{k}.mp4,{min(20 * k, 60)}" for k in range(5)], "name exactly 5 videos of different scores"),
        ([f"v{k % 4}.mp4,{20 * k}" for k in range(5)], "name exactly 5 videos of different scores"),
        ([f"v{k}.mp4,{k + 1}" for k in range(5)], r"all scores lie in 1\.\.5.*FILE\?range=1\.\.5"),
        ([f"v{k}.mp4,{30 * k}" for k in range(5)], r"1 of 5 scores lie outside 0\.\.100, the first is 120 of v4"),
        ([f"v{k}.mp4,{20 * k}" for k in range(5)], "the checkpoint cannot be loaded"),
    ],
    ids=["four", "six", "equal scores", "one video twice", "another scale", "beyond the scale", "no checkpoint"],
)
def test_anchors_that_do_not_fit_leave_the_checkpoint_as_it_was(tmp_path, rows, words):
    table, folder = tmp_path / "anchors.csv", tmp_path / "released"
    table.write_text("\n".join(["video,score", *rows]))
    folder.mkdir()
    with pytest.raises(UserError, match=words) as caught:
        add_anchors(folder, str(table), Console())
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_anchors_on_another_scale_name_it_and_a_dmos_is_refused(tmp_path):
    table, folder = tmp_path / "anchors.csv", tmp_path / "released"
    folder.mkdir()
    rows = [f"v{k}.mp4,{k + 1}" for k in range(5)]
    table.write_text("\n".join(["video,score", *rows]))
    with pytest.raises(UserError, match="the checkpoint cannot be loaded"):  # the table is right
        add_anchors(folder, f"{table}?range=1..5", Console())
    table.write_text("\n".join(["video,dmos", *rows]))
    with pytest.raises(UserError, match="of a dmos lower is better"):
        add_anchors(folder, f"{table}?range=1..5", Console())
