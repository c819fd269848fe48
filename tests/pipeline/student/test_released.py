import pytest

from pipeline.console import Console, UserError
from pipeline.student.released import add_anchors


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([f"v{k}.mp4,{20 * k}" for k in range(4)], "name exactly 5 videos of different scores"),
        ([f"v{k}.mp4,{20 * k}" for k in range(6)], "name exactly 5 videos of different scores"),
        ([f"v{k}.mp4,{min(20 * k, 60)}" for k in range(5)], "name exactly 5 videos of different scores"),
        ([f"v{k}.mp4,{20 * k}" for k in range(5)], "the checkpoint cannot be loaded"),
    ],
    ids=["four", "six", "equal scores", "no checkpoint"],
)
def test_anchors_that_do_not_fit_leave_the_checkpoint_as_it_was(tmp_path, rows, words):
    table, folder = tmp_path / "anchors.csv", tmp_path / "released"
    table.write_text("\n".join(["video,score", *rows]))
    folder.mkdir()
    with pytest.raises(UserError, match=words) as caught:
        add_anchors(folder, str(table), Console())
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []
