import shutil
from pathlib import Path

import pyarrow.compute as pc
import pytest
from probed_files import broken, probed

from actors.media.outcome import KINDS
from actors.media.scenes import make_clip
from cluster.in_process import InProcess
from cluster.stream import crashed
from pipeline.console import Console, UserError
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import read_table
from pipeline.steps.ingest import _first_of_each, check_budget, ingest


def test_later_files_with_the_same_bytes_are_duplicates_of_the_first_by_name():
    rows = _first_of_each([probed("c", "x"), probed("a", "x"), probed("b", "y"), broken("d"), broken("e")])
    assert {row["uri"]: row["status"] for row in rows} == {
        "a.mp4": "ok",
        "b.mp4": "ok",
        "c.mp4": "skipped",
        "d.mp4": "failed",
        "e.mp4": "failed",
    }
    assert (rows[0]["error_kind"], rows[0]["error"]) == ("duplicate", "same bytes as a.mp4")


def test_the_error_budget_stops_a_run_with_its_own_code(configured):
    rows = [*(probed(f"f{k}", f"c{k}") for k in range(8)), broken("x"), broken("y")]
    check_budget(rows, configured("errors.budget=0.2"))
    twins = _first_of_each([probed(f"f{k}", "the same") for k in range(8)])
    check_budget(twins, configured("errors.budget=0.0"))
    with pytest.raises(UserError, match=r"2 of 10 files .* errors\.budget=0\.19 .* x\.mp4: x\.mp4: no frame") as caught:
        check_budget(rows, configured("errors.budget=0.19"))
    assert caught.value.exit_code == 4


@pytest.fixture
def pile(tmp_path, make, broken_files, odd_files):
    """A typical user folder: clips, copies, odd and broken files, unusual names, links, and a manifest of other files."""
    root = tmp_path / "pile"
    root.mkdir()
    for number in range(6):
        path = make(f"grey{number}.mp4", "-f", "lavfi", "-i", f"color=gray:size=64x{48 + 2 * number}:rate=8:duration=3")
        shutil.copy(path, root / f"grey {number}\n.mp4")
    shutil.copy(path, root / "-again.mp4")
    shutil.copy(odd_files["rotated"], root / "odd-\udcff.mp4")
    for name, path in broken_files.items():
        shutil.copy(path, root / name)
    (root / "crash.deadly.mp4").write_bytes(b"x")
    (root / "out.mp4").symlink_to(odd_files["vfr"])
    (root / "notes.txt").write_text("x")
    return root


class Deadly(InProcess):
    """Streams in this process whose worker dies at the file `deadly.mp4`."""

    def stream(self, table, pools, *how, **options):
        deadly = pc.ends_with(table["uri"], "deadly.mp4")
        yield [crashed(row, "video_id") for row in table.filter(deadly).to_pylist()]
        yield from super().stream(table.filter(pc.invert(deadly)), pools, *how, **options)


def test_every_file_of_a_pile_ends_as_windows_or_with_its_reason(pile, tmp_path, tables, configured):
    tables.engine = Deadly()
    settings = (f"corpus.videos={pile}", "corpus.window_s=1", "corpus.windows_per_clip=2")
    with pytest.raises(UserError, match=r"9 of 17 files cannot be used, more than errors\.budget=0\.3") as caught:
        ingest(tables.run(configured(*settings, "errors.budget=0.3")))
    assert caught.value.exit_code == 4
    done = ingest(tables.run(configured(*settings, "errors.budget=0.6")))
    assert (done["files"], done["failed"]) == (17, 9)
    rows = read_table(tables.layout.videos, VIDEOS).to_pylist()
    reasons = {Path(row["uri"]).name: row["error_kind"] for row in rows if row["status"] != "ok"}
    kinds = {name: name.split(".")[0] for name in broken_files_of(pile)}
    assert reasons == kinds | {"out.mp4": "refused", "grey 5\n.mp4": "duplicate"}
    usable = {row["uri"] for row in rows if row["status"] == "ok"}
    assert len(usable) == 7
    assert f"file://{pile}/odd-%FF.mp4" in usable
    turned = next(row for row in rows if row["uri"].endswith("%FF.mp4"))
    assert (turned["width"], turned["height"]) == (144, 176), "as it is shown"


def test_rendered_clips_keep_their_ids_when_their_bytes_change_and_are_drawn_anew_for_other_settings(
    tmp_path, monkeypatch, configured
):
    small = ("corpus.made_clips=4", "corpus.made_width=64", "corpus.made_height=64", "corpus.made_seconds=0.5")

    def videos(folder, *settings):
        run = Run(
            configured("corpus.videos=null", *small, *settings), RunLayout(tmp_path / folder), Console(), InProcess()
        )
        ingest(run)
        return read_table(run.layout.videos, VIDEOS).to_pylist()

    def otherwise(*arguments):
        make_clip(*arguments)
        with Path(str(arguments[2])).open("ab") as file:
            file.write(b"\0\0\0\x08free")  # an empty box of MP4: other bytes, the same pictures

    first = videos("here")
    monkeypatch.setattr("actors.probe.make_clip", otherwise)
    there = videos("there")
    assert [row["bytes"] + 8 for row in first] == [row["bytes"] for row in there]
    assert [{**row, "uri": "", "bytes": 0} for row in first] == [{**row, "uri": "", "bytes": 0} for row in there]
    larger = videos("here", "corpus.made_height=80")
    assert {row["height"] for row in larger} == {80}
    assert not {row["content_id"] for row in larger} & {row["content_id"] for row in first}


def broken_files_of(pile):
    return [path.name for path in pile.iterdir() if path.name.split(".")[0] in KINDS]
