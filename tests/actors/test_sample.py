import errno
import math
import shutil
import tempfile
from pathlib import Path

import pytest

from actors import sample
from actors.distortions.table import PRISTINE
from actors.media import ffmpeg
from actors.media.outcome import Failure
from actors.media.rows import SAMPLE_COLUMNS, format_recipe, unpack
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions, Window
from actors.sample import Decode, Sampler, Synthesise

FAST = EncodeOptions(x265_preset="ultrafast", max_short_side=96)
SPEC = SampleSpec(key_frames=2, motion_frames=8)


@pytest.fixture
def applied(monkeypatch):
    """Names of the requested distortions, in order."""
    names = []
    real = sample.apply

    def counted(name, *others):
        names.append(name)
        return real(name, *others)

    monkeypatch.setattr(sample, "apply", counted)
    return names


@pytest.fixture(scope="module")
def decode():
    part = Decode(SPEC)
    yield part
    part.decoder.close()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The worker's temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def maker(temporary):
    """``maker(**options)``: the part that makes copies, its folder removed at the end."""
    parts = []

    def build(**options):
        parts.append(Synthesise(FAST, **options))
        return parts[-1]

    yield build
    for part in parts:
        part.close()


@pytest.fixture
def sampler(temporary):
    """``sampler(**options)``: the actor, closed at the end."""
    actors = []

    def build(**options):
        actors.append(Sampler(SPEC, FAST, **options))
        return actors[-1]

    yield build
    for actor in actors:
        actor.close()


def files_below(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def row_of(uri, *recipe, video="copy", still=False):
    row = {"video_id": video, "uri": str(uri), "start_s": 0.0, "duration_s": 0.0}
    return row | {"recipe": format_recipe(list(recipe)), "still": still}


def test_a_row_without_recipe_passes_untouched(maker, clip, applied, temporary):
    row = maker()(row_of(clip))
    assert (row["status"], row["path"], applied) == ("ok", "", [])
    assert math.isnan(row["vmaf"])
    assert list(temporary.iterdir()) == [], "a worker that makes no copy makes no folder"


def test_a_recipe_gives_a_file_in_the_form_of_the_run(maker, clip):
    make = maker()
    row = make(row_of(clip, ("h264", 4, 1)))
    assert row["status"] == "ok"
    assert Path(row["path"]) == make.folder / "copy.mkv"
    header = ffmpeg.probe(row["path"])
    assert (min(header.width, header.height), header.codec) == (96, "h264")
    assert math.isnan(row["vmaf"]), "VMAF is measured only when it is asked for"


def test_rows_that_share_their_beginning_share_its_file(maker, clip, applied):
    make = maker()
    start = (("gaussian_blur", 2, 0), ("resize", 1, 0))
    rows = [make(row_of(clip, *start, ("h264", level, 0), video=f"v{level}")) for level in (1, 2, 3)]
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert applied == ["gaussian_blur", "resize", "h264", "h264", "h264"]


def test_another_window_or_seed_is_another_beginning(maker, clip, applied):
    make = maker()
    make(row_of(clip, ("gaussian_noise", 1, 0), ("resize", 1, 0)))
    make(row_of(clip, ("gaussian_noise", 1, 1), ("resize", 1, 0)))
    make({**row_of(clip, ("gaussian_noise", 1, 0), ("resize", 1, 0)), "start_s": 0.4})
    assert applied == ["gaussian_noise", "resize"] * 3


def test_a_file_that_was_replaced_under_its_name_shares_nothing_with_the_one_before(maker, clip, numbered, tmp_path):
    place, make = tmp_path / "same.mp4", maker()
    for step in (("jitter", 2, 0), ("resize", 2, 0)):
        for source in (clip, numbered):
            shutil.copy(source, place)
            made = make(row_of(place, (PRISTINE, 0, 0), step))
            alone = maker()(row_of(source, (PRISTINE, 0, 0), step, video="alone"))
            assert Path(made["path"]).read_bytes() == Path(alone["path"]).read_bytes()


def test_few_shared_files_are_kept_and_none_after_the_end(maker, clip, temporary):
    make = maker()
    for seed in range(sample._MAX_BASES + 2):
        make.drop(make(row_of(clip, (PRISTINE, 0, seed), ("resize", 1, 0))))
        assert len(list(make.folder.iterdir())) == len(make.bases) == min(seed + 1, sample._MAX_BASES)
    make.close()
    assert list(temporary.iterdir()) == []


def test_vmaf_falls_with_the_level_and_shares_its_reference(maker, clip, applied):
    make = maker(measure_vmaf=True)
    good, bad = (make(row_of(clip, ("resize", level, 0), video=f"v{level}")) for level in (1, 5))
    assert 0 <= bad["vmaf"] < good["vmaf"] - 10 <= 90
    assert applied.count(PRISTINE) == 1


def test_an_actor_that_is_asked_for_one_label_leaves_the_other_out(sampler, clip):
    row = sampler(measure_vmaf=True, second_label=False)(row_of(clip, ("resize", 3, 0)))
    assert row["vmaf"] > 0
    assert math.isnan(row["vmaf_v1"])
    assert row["vmaf_v1_note"] == "VMAF v1.0.16 was not asked for"


@pytest.mark.parametrize(
    ("step", "kind"), [(("no_such", 1, 0), "usage"), (("h264", 9, 0), "usage"), (("resize", 2, 0), "missing")]
)
def test_failures_become_rows(maker, tmp_path, temporary, clip, step, kind):
    uri = tmp_path / "gone.mp4" if kind == "missing" else clip
    make = maker(measure_vmaf=True)
    row = make(row_of(uri, step))
    assert (row["status"], row["error_kind"], row["path"]) == ("failed", kind, "")
    assert row["error"]
    assert "\n" not in row["error"]
    left = [path.name for path in make.bases.values() if path.suffix == ".mkv"]
    assert files_below(temporary) == left, "the reference may serve the next row"


def test_a_copy_that_cannot_be_measured_is_deleted(maker, temporary, clip, monkeypatch):
    def broken(*_given, **_named):
        raise Failure("decode", "no score")

    monkeypatch.setattr(sample, "labels", broken)
    make = maker(measure_vmaf=True)
    row = make(row_of(clip, ("h264", 3, 0)))
    assert (row["status"], row["error_kind"], row["path"]) == ("failed", "decode", "")
    assert files_below(temporary) == [path.name for path in make.bases.values()], "the reference may serve the next row"


@pytest.mark.parametrize("before", [(), ((PRISTINE, 0, 0),)])
@pytest.mark.parametrize("last", [("brighten", 3, 0), ("resize", 0, 0)])
def test_a_still_is_the_same_picture_whether_it_is_kept_as_a_file_or_not(maker, clip, decode, tmp_path, before, last):
    row = row_of(clip, *before, last, still=True)
    passing, kept = maker(decode=decode)(row), maker(keep=str(tmp_path / "kept"), decode=decode)(row)
    assert Path(maker()(row)["path"]).suffix == ".png", "for whoever reads files"
    assert [Path(made["path"]).suffix for made in (passing, kept)] == [".npy", ".png"]
    one, other = decode(passing), decode(kept)
    for name in (*SAMPLE_COLUMNS, "width", "height", "status"):
        assert one[name] == other[name], name


@pytest.mark.parametrize("still", [False, True])
def test_copies_of_one_window_share_its_frames_and_are_the_same_as_alone(maker, clip, decode, monkeypatch, still):
    """The second effect starts no process that reads the source."""
    rows = [
        row_of(clip, (name, level, 3), still=still) for name, level in (("resize", 2), ("resize", 0), ("darken", 3))
    ]
    alone = [decode(maker()(row)) for row in rows]
    make = maker()
    together = [decode(make(row)) for row in rows[:2]]
    read = []
    monkeypatch.setattr(ffmpeg, "source", lambda path, *_given, **_named: read.append(path))
    made = make(rows[2])
    monkeypatch.undo()
    assert made["status"] == "ok"
    assert read == []
    for one, other in zip(alone, [*together, decode(made)], strict=True):
        assert (one["key"], one["luma"], one["sample_fps"]) == (other["key"], other["luma"], other["sample_fps"])


def test_a_still_recipe_is_one_picture(maker, clip, decode):
    row = maker()(row_of(clip, (PRISTINE, 0, 0), ("brighten", 3, 0), still=True))
    assert row["status"] == "ok"
    sample_of_copy = unpack(decode(row))
    assert sample_of_copy.is_still
    assert sample_of_copy.height == 96
    assert sample_of_copy.key.shape[0] == 2
    assert (sample_of_copy.key[0] == sample_of_copy.key[1]).all(), "every key frame is the one picture"


def test_a_temporal_recipe_makes_no_still(maker, clip):
    row = maker()(row_of(clip, ("stutter", 1, 0), still=True))
    assert (row["status"], row["error_kind"]) == ("failed", "usage")


def test_the_actor_shows_the_copy_and_leaves_no_file_of_it(sampler, clip, temporary):
    actor = sampler(measure_vmaf=True)
    row = actor(row_of(clip, ("h264", 3, 0)))
    assert (row["status"], row["height"]) == ("ok", 96)
    assert 0 < row["vmaf"] < 100
    assert "path" not in row, "no other node could open it"
    assert unpack(row).key.shape == (2, 2, 96, 116, 3)
    assert files_below(temporary) == [path.name for path in actor.synthesise.bases.values()]
    actor.close()
    assert list(temporary.iterdir()) == []
    assert clip.exists(), "the source is never deleted"


def test_copies_of_an_actor_share_their_beginning_and_their_reference(sampler, clip, applied):
    actor = sampler(measure_vmaf=True)
    rows = [actor(row_of(clip, (PRISTINE, 0, 0), ("h264", level, 0), video=f"v{level}")) for level in (1, 2, 3)]
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert applied == [PRISTINE, "h264", "h264", "h264"]


@pytest.mark.parametrize("recipe", [("h264", 3, 0), ()])
def test_copies_are_kept_in_the_folder_of_the_run_if_that_is_asked_for(sampler, clip, tmp_path, recipe):
    kept = tmp_path / "run" / "copies"
    row = sampler(keep=str(kept))(row_of(clip, *(recipe and [recipe])))
    assert row["status"] == "ok"
    assert files_below(tmp_path) == (["copy.mkv"] if recipe else [])
    assert kept.is_dir() == bool(recipe)


def test_a_copy_that_cannot_be_kept_is_a_fault_of_the_disk_and_not_of_the_row(sampler, clip, tmp_path, monkeypatch):
    def full(*_given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sample.shutil, "copyfile", full)
    row = sampler(keep=str(tmp_path / "run"))(row_of(clip, ("h264", 3, 0)))
    assert row["error_kind"] == "storage"
    assert f"no space left in {tmp_path / 'run'}" in row["error"]
    assert files_below(tmp_path) == []


def test_a_copy_that_cannot_be_decoded_is_deleted_too(sampler, clip, temporary, monkeypatch):
    actor = sampler()
    real = sample.apply

    def torn(*given):
        real(*given)
        Path(given[5]).write_bytes(b"no video at all" * 99)

    monkeypatch.setattr(sample, "apply", torn)
    assert actor(row_of(clip, ("h264", 3, 0)))["status"] == "failed"
    assert files_below(temporary) == []


def test_decoding_packs_the_window_and_tells_its_size(clip, decode):
    row = decode(row_of(clip))
    assert (row["status"], row["width"], row["height"]) == ("ok", 176, 144)
    sample_of_copy = unpack(row)
    assert sample_of_copy.key.shape == (2, 2, 144, 176, 3)
    assert sample_of_copy.luma.shape == (8, 144, 176)


def test_a_broken_file_is_a_failed_row_with_all_columns(decode, broken_files):
    for name in ("empty.mp4", "format.text.mp4"):
        row = decode(row_of(broken_files[name]))
        assert (row["status"], row["error_kind"]) == ("failed", name.split(".")[0])
        assert [row[column] for column in ("key", "width", "height")] == [b"", 0, 0]
        assert set(SAMPLE_COLUMNS) <= set(row)


def test_a_row_that_failed_before_is_not_decoded(clip, decode):
    row = {**row_of(clip), "status": "failed", "error_kind": "encode", "error": "no encoder"}
    done = decode(row)
    assert (done["error_kind"], done["error"], done["width"]) == ("encode", "no encoder", 0)


@pytest.mark.parametrize(("start_s", "duration_s"), [(0.0, 0.0), (0.03, 0.8), (0.1, 0.75), (0.2, 0.5)])
def test_an_undistorted_window_is_shown_as_its_copy_would_be_without_a_file(
    sampler, maker, clip, decode, applied, start_s, duration_s
):
    """Also where it begins between two pictures, and FFmpeg counts its length from the second of them."""
    row = row_of(clip, (PRISTINE, 0, 0)) | {"start_s": start_s, "duration_s": duration_s}
    shown = sampler()(row)
    assert applied == []
    copy = decode(maker()(row))
    assert applied == [PRISTINE]
    del copy["path"]
    assert shown.keys() == copy.keys()
    for name, value in copy.items():
        assert shown[name] == value or (math.isnan(shown[name]) and math.isnan(value)), name


def test_a_window_of_two_frames_is_a_matter_of_the_clock_and_copied(sampler, clip, applied):
    row = sampler()(row_of(clip, (PRISTINE, 0, 0)) | {"duration_s": 0.1})
    assert (row["status"], applied) == ("ok", [PRISTINE])


@pytest.mark.parametrize("more", [-1, 1])
def test_a_window_that_has_not_the_frames_that_its_file_promises_is_copied(sampler, clip, applied, monkeypatch, more):
    promised = Window.frames.fget
    monkeypatch.setattr(Window, "frames", property(lambda window: promised(window) + more))
    row = sampler()(row_of(clip, (PRISTINE, 0, 0)))
    assert (row["status"], applied) == ("ok", [PRISTINE])


def test_a_window_that_cannot_be_read_fails_as_its_copy_does(sampler, broken_files):
    row = sampler()(row_of(broken_files["format.text.mp4"], (PRISTINE, 0, 0)))
    assert (row["status"], row["error_kind"]) == ("failed", "format")


@pytest.mark.parametrize("step", [("h264", 3, 0), ("jitter", 2, 0), ("mpeg2", 2, 0), ("packet_loss", 2, 0)])
def test_a_measured_copy_is_shown_while_it_is_measured_as_it_would_be_afterwards(sampler, maker, clip, decode, step):
    row = row_of(clip, step)
    actor = sampler(measure_vmaf=True)
    looked = actor(row)
    assert actor.decode.decoder._child is None, "nothing was decoded again"
    made = maker(measure_vmaf=True)(row)
    afterwards = decode(made)
    for name in (*SAMPLE_COLUMNS, "vmaf", "vmaf_v1_note", "width", "height", "status"):
        assert looked[name] == afterwards[name], name
    assert looked.keys() == afterwards.keys() - {"path"}
