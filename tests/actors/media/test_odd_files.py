"""Files that public bug reports tell of: the pictures that a player shows, on both decode paths and in copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numbered as clips
import numpy as np
import pytest

from actors.folder import HeaderReader
from actors.media import ffmpeg
from actors.media.outcome import Failure
from actors.media.scan import scan
from actors.media.views import Sample
from pipeline.corpus.windows import windows
from pipeline.settings.sections import CorpusConfig

COPY = ("-c", "copy")
Shown = Callable[..., list[Sample]]


def numbers(samples):
    """The numbers that all paths agree on."""
    first, *others = [clips.numbers_of(sample) for sample in samples]
    assert others == [first] * len(others)
    return first


def films(folder):
    """Sixty numbered pictures, 10 a second."""
    return clips.kind(folder, "h264.mp4")


# --- held pictures ---


def test_a_picture_held_for_minutes_is_held_in_the_window_and_no_longer(folder, shown):
    path = clips.at_times(folder / "hold.mp4", [*(n / 30 for n in range(30)), 301.0, 301.0 + 1 / 30], *clips.X264)
    assert scan(path).timeline.spacing == "held"
    assert numbers(shown(path, 0.0, 2.0)) == [*range(30), *[29] * 30]
    assert numbers(shown(path, 100.0, 2.0)) == [29] * 60
    assert numbers(shown(path, 300.5, 0.5)) == [29] * 15


def test_a_screen_recording_is_sampled_at_the_rate_of_a_screen(folder, shown):
    path = clips.at_times(folder / "screen.mkv", [0, 5, 11, 19, 27], *clips.X264)
    assert numbers(shown(path, 6.0, 2.0)) == [1] * 120
    assert numbers(shown(path, 10.0, 2.0)) == [1] * 60 + [2] * 60


def test_a_slide_show_slower_than_a_window_still_has_pictures(folder, shown):
    path = clips.at_times(folder / "slides.webm", [0, 6, 12, 18], *clips.VP9)
    assert set(numbers(shown(path, 7.0, 2.0))) == {1}


def test_pictures_that_were_left_out_are_held_at_their_own_times(folder, shown):
    times = [n / 25 for n in (0, 1, 2, 5, 6, 7, 8, 14, 15, 16, 17, 18, 19, 24)]
    path = clips.at_times(folder / "gaps.mkv", times, *clips.X264)
    assert numbers(shown(path, 0.0, 0.8)) == [0, 1, 2, 2, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 7, 8, 9, 10, 11, 12]


def test_every_second_picture_missing_is_half_the_rate_and_not_twice_the_speed(folder, shown):
    path = clips.at_times(folder / "half.mkv", [n / 15 for n in range(60)], *clips.X264)
    assert numbers(shown(path, 1.0, 2.0)) == list(range(15, 45))
    assert shown(path, 1.0, 2.0)[0].fps == pytest.approx(15, rel=0.01)


def test_jitter_of_a_phone_makes_no_repeats(folder, shown):
    stray = np.random.default_rng(0).uniform(-0.005, 0.005, 60)
    path = clips.at_times(folder / "phone.mp4", [0.0, *(n / 30 + stray[n] for n in range(1, 60))], *clips.X264)
    assert scan(path).timeline.spacing == "jittering"
    assert numbers(shown(path)) == list(range(60))
    window = numbers(shown(path, 0.5, 1.0))
    assert window == list(range(window[0], window[0] + len(window)))
    assert len(window) in (29, 30, 31)


def test_a_rate_that_changes_is_sampled_at_real_times(folder, shown):
    times = [*(n / 24 for n in range(24)), *(1 + n / 30 for n in range(30))]
    path = clips.at_times(folder / "two_rates.mkv", times, *clips.X264)
    assert numbers(shown(path, 1.0, 0.8)) == list(range(24, 48))
    assert len(numbers(shown(path))) == 59, "two seconds at 30 frames per second, the last picture a moment long"


# --- seeking, edit lists, clocks ---


def test_a_lone_piece_of_a_stream_counts_from_its_first_picture(folder, shown):
    path = folder / "piece.ts"
    clips.run("-i", films(folder), *COPY, "-output_ts_offset", "7.3", path)
    assert numbers(shown(path, 2.0, 1.0)) == list(range(20, 30))
    assert scan(path).length_s == pytest.approx(6.0, abs=0.02)


def test_an_edit_list_hides_pictures_everywhere(folder, shown):
    path = folder / "edit.mp4"
    clips.run("-ss", "1.5", "-i", films(folder), *COPY, path)
    assert numbers(shown(path)) == list(range(15, 60))
    assert numbers(shown(path, 1.0, 1.0)) == list(range(25, 35))


def test_pictures_that_begin_after_the_sound_count_from_themselves(folder, shown):
    path = folder / "late.mkv"
    sound = ("-f", "lavfi", "-i", "sine=duration=8")
    clips.run("-itsoffset", "1.4", "-i", films(folder), *sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", path)
    assert numbers(shown(path, 1.0, 2.0)) == list(range(10, 30))
    assert scan(path).length_s == pytest.approx(6.0, abs=0.01)


def test_sound_that_outlasts_the_pictures_makes_no_windows(folder, shown):
    path = folder / "sound.mp4"
    clips.run(
        "-i", films(folder), "-f", "lavfi", "-i", "sine=duration=24", "-map", "0:v", "-map", "1:a", "-c:v", "copy", path
    )
    assert ffmpeg.probe(path).duration_s == pytest.approx(24, abs=0.1)
    row = HeaderReader()({"uri": str(path)})
    assert row["length_s"] == pytest.approx(6.0, abs=0.02)
    cut = list(windows(row["length_s"], CorpusConfig(window_s=2.0, windows_per_clip=9)))
    assert [len(numbers(shown(path, *window))) for window in cut] == [20, 20, 20]
    with pytest.raises(Failure, match="no frame at 7 s"):
        shown(path, 7.0, 2.0)


def test_a_clock_that_jumps_leaves_the_pictures_that_are_there(folder, shown):
    parts = []
    for number, offset in enumerate((0, 3600)):
        part = folder / f"part{number}.ts"
        made = clips.write(
            folder / f"part{number}.mp4", range(30 * number, 30 * number + 30), 10, *clips.X264, "-bf", "0"
        )
        clips.run("-i", made, *COPY, "-output_ts_offset", offset, part)
        parts.append(part.read_bytes())
    path = folder / "jump.ts"
    path.write_bytes(b"".join(parts))
    assert ffmpeg.probe(path).duration_s > 3000
    facts = scan(path)
    assert facts.jumps
    assert facts.length_s == pytest.approx(6.0, abs=0.3)
    assert numbers(shown(path, 1.0, 1.0)) == list(range(10, 20))
    assert numbers(shown(path)) == list(range(60))


def test_a_clock_that_steps_back_loses_no_picture(folder, shown):
    early, late = (
        clips.write(folder / f"{n}.h264", range(30 * n, 30 * n + 30), 25, *clips.X264, "-bf", "0") for n in (0, 1)
    )
    path = folder / "back.ts"
    pieces = []
    for part, offset in ((early, 50), (late, 10)):
        clips.run("-r", "25", "-i", part, *COPY, "-output_ts_offset", offset, folder / "piece.m2t.ts")
        pieces.append((folder / "piece.m2t.ts").read_bytes())
    path.write_bytes(b"".join(pieces))
    assert numbers(shown(path)) == list(range(60))


def test_a_download_that_stopped_is_as_long_as_what_arrived(folder, shown):
    whole = clips.kind(folder, "ffv1.mkv").read_bytes()
    path = folder / "partial.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    facts = scan(path)
    assert (facts.header.duration_s, facts.length_s < 1.6) == (2.4, True)
    assert numbers(shown(path)) == list(range(len(facts.timeline.times)))
    with pytest.raises(Failure, match=r"no frame at 2 s"):
        shown(path, 2.0, 0.4)


def test_a_raw_stream_has_the_rate_of_its_pictures_and_not_of_its_fields(folder, shown):
    path = clips.kind(folder, "h264.h264")
    assert scan(path).header.tick_rate == 50
    assert numbers(shown(path)) == list(range(60))


def test_a_gif_that_asks_for_a_hundredth_of_a_second_gets_a_tenth_as_in_browsers(folder, shown):
    path = clips.write(folder / "fast.gif", range(20), 100)
    assert ffmpeg.probe(path).fps == 100
    facts = scan(path)
    assert (facts.fps, facts.length_s) == (10.0, pytest.approx(2.0))
    assert numbers(shown(path, 0.5, 1.0)) == list(range(5, 15))


def test_a_stream_that_begins_between_key_frames_begins_with_the_first_of_them(folder, shown):
    whole = clips.kind(folder, "h264.ts").read_bytes()
    path = folder / "mid_group.ts"
    path.write_bytes(whole[188 * 40 :])
    films = numbers(shown(path))
    assert films == list(range(films[0], 60))
    assert 0 < films[0] < 30
    assert numbers(shown(path, 1.0, 1.0)) == films[10:20]


@pytest.mark.parametrize("start_s", [2.0, 4.5])
def test_a_clock_of_33_bits_that_wraps_is_followed(start_s, folder, shown):
    path = folder / "wrap.ts"
    clips.run("-i", films(folder), *COPY, "-output_ts_offset", f"{2**33 / 90000 - 4:.3f}", path)
    assert numbers(shown(path, start_s, 1.0)) == list(range(round(10 * start_s), round(10 * start_s) + 10))


@pytest.mark.parametrize(
    ("name", "options"),
    [("fragments.mp4", ("-movflags", "frag_keyframe+empty_moov")), ("no_index.mkv", ("-f", "matroska", "-live", "1"))],
)
def test_a_container_without_an_index_is_cut_exactly(name, options, folder, shown):
    path = folder / name
    clips.run("-i", films(folder), *COPY, *options, path)
    assert numbers(shown(path, 2.0, 1.0)) == list(range(20, 30))


def test_pictures_that_an_avi_file_leaves_empty_are_held(folder, shown):
    source = clips.at_times(
        folder / "drops.mkv", [n / 25 for n in (0, 1, 2, 5, 6, 7, 8, 14, 15, 16)], *clips.X264, "-bf", "0"
    )
    path = folder / "drops.avi"
    clips.run("-i", source, "-enc_time_base", "1:25", "-fps_mode", "vfr", *clips.MPEG4, path)
    assert numbers(shown(path, 0.0, 0.4)) == [0, 1, 2, 2, 2, 3, 4, 5, 6, 6]


def test_one_picture_under_minutes_of_music_is_one_picture(folder, shown):
    path = folder / "music.mp4"
    one = clips.write(folder / "one.mp4", [7], 1, *clips.X264)
    clips.run("-i", one, "-f", "lavfi", "-i", "sine=duration=20", "-map", "0:v", "-map", "1:a", "-c:v", "copy", path)
    assert numbers(shown(path)) == [7]
    assert scan(path).length_s == pytest.approx(1.0, abs=0.05)


# --- size, tracks ---


@pytest.mark.parametrize("name", ["grows.ts", "grows.mkv", "grows.mp4"])
def test_a_size_that_changes_is_scaled_to_the_first(name, folder, shown):
    small = clips.write(folder / f"small-{name}.ts", range(20), 10, *clips.X264, "-bf", "0")
    large = clips.write(folder / f"large-{name}.ts", range(20, 40), 10, *clips.X264, "-bf", "0", filters="scale=128:96")
    joined = folder / f"joined-{name}.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    path = joined if name.endswith(".ts") else folder / name
    if path != joined:
        clips.run("-i", joined, *COPY, path)
    samples = shown(path, 0.5, 2.5)
    assert {sample.key.shape[2:4] for sample in samples} == {(48, 64)}
    assert numbers(samples) == list(range(5, 30))


def test_a_size_that_changes_in_a_turned_film_is_refused_and_not_cut_short(folder, shown):
    parts = [
        clips.write(
            folder / f"turned{n}.ts", range(20), 10, *clips.X264, "-bf", "0", filters=f"scale={64 * n}:{48 * n}"
        )
        for n in (1, 2)
    ]
    joined, path = folder / "turned.ts", folder / "turned.mp4"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips.run("-display_rotation", "90", "-i", joined, *COPY, path)
    with pytest.raises(Failure, match="changes in a film that is turned"):
        shown(path, 0.5, 2.5)


@pytest.mark.parametrize("name", ["aperture.mp4", "crop.mkv"])
def test_a_container_that_crops_is_shown_cropped(name, folder, shown):
    wide = clips.write(folder / f"wide-{name}.mp4", range(60), 10, *clips.X264, filters="pad=96:48:16:0")
    path = clips.with_clean_aperture(wide, folder / f"aperture-{name}.mp4", 64, 48)
    if name.endswith(".mkv"):
        clips.run("-i", path, *COPY, folder / name)
        path = folder / name
    facts = scan(path)
    assert (facts.is_cropped, facts.is_exact_in_decord, facts.header.width, facts.header.height) == (
        True,
        False,
        64,
        48,
    )
    samples = shown(path, 2.0, 1.0)
    assert {sample.key.shape[2:4] for sample in samples} == {(48, 64)}
    assert numbers(samples) == list(range(20, 30))


def coded(path, filters="null", picture=0, **more):
    """Sixty pictures of one number."""
    return clips.write(path, [picture] * 60, 10, *clips.X264, filters=filters)


def test_the_default_track_is_taken_everywhere(folder, shown):
    path = folder / "tracks.mp4"
    marks = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    clips.run(
        "-i",
        coded(folder / "three.mp4", picture=3),
        "-i",
        films(folder),
        "-map",
        "0:v",
        "-map",
        "1:v",
        *COPY,
        *marks,
        path,
    )
    facts = scan(path)
    assert (facts.track, len(facts.tracks), facts.is_exact_in_decord) == (1, 2, False)
    assert numbers(shown(path, 1.0, 1.0)) == list(range(10, 20))


def test_a_lone_picture_beside_a_film_is_no_film(folder, shown):
    thumb = folder / "thumb.jpg"
    clips.run("-f", "lavfi", "-i", "color=red:s=1280x720", "-frames:v", "1", thumb)
    path = folder / "thumb_first.mkv"
    clips.run("-i", thumb, "-i", films(folder), "-map", "0:v", "-map", "1:v", *COPY, "-disposition:v", "0", path)
    assert scan(path).track == 1
    assert numbers(shown(path, 1.0, 1.0)) == list(range(10, 20))


def test_a_cover_picture_is_never_taken(folder, shown):
    cover = folder / "cover.png"
    clips.run("-f", "lavfi", "-i", "color=red:s=640x640", "-frames:v", "1", cover)
    path = folder / "cover.mp4"
    marks = ("-disposition:v:0", "attached_pic+default", "-disposition:v:1", "0")
    clips.run("-i", cover, "-i", films(folder), "-map", "0:v", "-map", "1:v", *COPY, *marks, path)
    assert numbers(shown(path, 1.0, 1.0)) == list(range(10, 20))


# --- the collection of real oddities beside the project, where there is one ---

CASES = Path(__file__).parents[4] / "shared" / "cases"


@pytest.mark.skipif(not (CASES / "hold300.mp4").is_file(), reason=f"no collection of odd files at {CASES}")
@pytest.mark.parametrize(
    ("name", "start_s", "duration_s", "count"),
    [("hold300.mp4", 0, 2, 60), ("hold300.mp4", 100, 2, 60), ("screen_static.mkv", 6, 2, 120), ("ts_numbered.ts", 2, 2, 20),
     ("ts_numbered.ts", 4, 2, 20), ("inter_h264.ts", 2, 1, 25), ("size_grows.ts", 1, 2, 50), ("c.h264", 0, 0, 52),
     ("thumb_first.mkv", 1, 2, 50), ("two_streams.mp4", 1, 2, 50), ("edit_list.mp4", 0, 0, 17), ("ts_jump.ts", 1, 2, 50),
     ("sei_rotate.mp4", 1, 1, 25), ("partial.mkv", 0, 0, 45), ("audio_longer.mp4", 1, 2, 50)],
)  # fmt: skip
def test_the_collected_files_show_as_many_pictures_as_a_player(name, start_s, duration_s, count, shown):
    assert {sample.luma.shape[0] for sample in shown(CASES / name, start_s, duration_s)} == {count}
