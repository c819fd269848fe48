import math
from pathlib import Path

import pytest

from actors import sample
from actors.distortions.table import PRISTINE
from actors.media import ffmpeg
from actors.media.rows import SAMPLE_COLUMNS, format_recipe, unpack
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.sample import Decode, Synthesise

FAST = EncodeOptions(x265_preset="ultrafast", max_short_side=96)
SPEC = SampleSpec(key_frames=2, motion_frames=8)


@pytest.fixture
def applied(monkeypatch):
    """Names of the requested distortions, in order."""
    names = []
    real = sample.apply

    def counted(name, *others):
        names.append(name)
        real(name, *others)

    monkeypatch.setattr(sample, "apply", counted)
    return names


@pytest.fixture(scope="module")
def decode():
    """A decoder that keeps the distorted files."""
    actor = Decode(SPEC, keep=True)
    yield actor
    actor.decoder.close()


def row_of(uri, *recipe, video="copy", still=False):
    row = {"video_id": video, "uri": str(uri), "start_s": 0.0, "duration_s": 0.0}
    return row | {"recipe": format_recipe(list(recipe)), "still": still}


def test_a_row_without_recipe_passes_untouched(tmp_path, clip, applied):
    row = Synthesise(FAST, str(tmp_path))(row_of(clip))
    assert (row["status"], row["path"], applied) == ("ok", "", [])
    assert math.isnan(row["vmaf"])


def test_a_recipe_gives_a_file_in_the_form_of_the_run(tmp_path, clip):
    row = Synthesise(FAST, str(tmp_path))(row_of(clip, ("h264", 4, 1)))
    assert row["status"] == "ok"
    assert Path(row["path"]) == tmp_path / "copy.mkv"
    header = ffmpeg.probe(row["path"])
    assert (min(header.width, header.height), header.codec) == (96, "h264")
    assert math.isnan(row["vmaf"]), "VMAF is measured only when it is asked for"


def test_rows_that_share_their_beginning_share_its_file(tmp_path, clip, applied):
    make = Synthesise(FAST, str(tmp_path))
    start = (("gaussian_blur", 2, 0), ("resize", 1, 0))
    rows = [make(row_of(clip, *start, ("h264", level, 0), video=f"v{level}")) for level in (1, 2, 3)]
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert applied == ["gaussian_blur", "resize", "h264", "h264", "h264"]


def test_another_window_or_seed_is_another_beginning(tmp_path, clip, applied):
    make = Synthesise(FAST, str(tmp_path))
    make(row_of(clip, ("gaussian_noise", 1, 0), ("resize", 1, 0)))
    make(row_of(clip, ("gaussian_noise", 1, 1), ("resize", 1, 0)))
    make({**row_of(clip, ("gaussian_noise", 1, 0), ("resize", 1, 0)), "start_s": 0.4})
    assert applied == ["gaussian_noise", "resize"] * 3


def test_few_shared_files_are_kept(tmp_path, clip):
    make = Synthesise(FAST, str(tmp_path))
    for seed in range(sample._MAX_BASES + 2):
        make(row_of(clip, (PRISTINE, 0, seed), ("resize", 1, 0)))
        assert len(list(make.scratch.iterdir())) == len(make.bases) == min(seed + 1, sample._MAX_BASES)
    scratch = make.scratch
    make.__del__()
    assert not scratch.exists()


def test_vmaf_falls_with_the_level_and_shares_its_reference(tmp_path, clip, applied):
    make = Synthesise(FAST, str(tmp_path), measure_vmaf=True)
    good, bad = (make(row_of(clip, ("resize", level, 0), video=f"v{level}")) for level in (1, 5))
    assert 0 <= bad["vmaf"] < good["vmaf"] - 10 <= 90
    assert applied.count(PRISTINE) == 1


@pytest.mark.parametrize(
    ("step", "kind"), [(("no_such", 1, 0), "usage"), (("h264", 9, 0), "usage"), (("resize", 2, 0), "missing")]
)
def test_failures_become_rows(tmp_path, clip, step, kind):
    uri = tmp_path / "gone.mp4" if kind == "missing" else clip
    row = Synthesise(FAST, str(tmp_path / "out"), measure_vmaf=True)(row_of(uri, step))
    assert (row["status"], row["error_kind"], row["path"]) == ("failed", kind, "")
    assert row["error"]
    assert "\n" not in row["error"]
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_still_recipe_is_one_picture(tmp_path, clip, decode):
    row = Synthesise(FAST, str(tmp_path))(row_of(clip, (PRISTINE, 0, 0), ("brighten", 3, 0), still=True))
    assert Path(row["path"]).name == "copy.png"
    sample_of_copy = unpack(decode(row))
    assert sample_of_copy.is_still
    assert sample_of_copy.height == 96
    assert sample_of_copy.key.shape[0] == 2
    assert (sample_of_copy.key[0] == sample_of_copy.key[1]).all(), "every key frame is the one picture"


def test_a_temporal_recipe_makes_no_still(tmp_path, clip):
    row = Synthesise(FAST, str(tmp_path))(row_of(clip, ("stutter", 1, 0), still=True))
    assert (row["status"], row["error_kind"]) == ("failed", "usage")


def test_decoding_packs_the_window_and_tells_its_size(clip, decode):
    row = decode(row_of(clip))
    assert (row["status"], row["width"], row["height"]) == ("ok", 176, 144)
    sample_of_copy = unpack(row)
    assert sample_of_copy.key.shape == (2, 2, 144, 176, 3)
    assert sample_of_copy.luma.shape == (8, 144, 176)


@pytest.mark.parametrize("keep", [False, True])
def test_the_distorted_file_is_deleted_unless_it_is_kept(tmp_path, clip, keep):
    row = Synthesise(FAST, str(tmp_path))(row_of(clip, ("h264", 3, 0)))
    actor = Decode(SPEC, keep=keep)
    assert actor(row)["status"] == "ok"
    actor.decoder.close()
    assert Path(row["path"]).exists() == keep
    assert clip.exists(), "the source is never deleted"


def test_a_distorted_file_that_cannot_be_decoded_is_deleted_too(tmp_path, clip):
    row = Synthesise(FAST, str(tmp_path))(row_of(clip, ("h264", 3, 0)))
    Path(row["path"]).write_bytes(b"no video at all" * 99)
    actor = Decode(SPEC)
    done = actor(row)
    actor.decoder.close()
    assert done["status"] == "failed"
    assert not Path(row["path"]).exists()


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
