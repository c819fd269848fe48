"""FFmpeg on untrusted files: headers, whitelists, limits, time-outs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import ffmpeg as graph
import numpy as np
import pytest

from actors.media import ffmpeg, ffmpeg_log
from actors.media.outcome import Failure


def test_probe_reads_a_plain_clip(clip):
    header = ffmpeg.probe(clip)
    assert (header.width, header.height, header.fps, header.codec, header.pix_fmt) == (
        176,
        144,
        15.0,
        "h264",
        "yuv420p",
    )
    assert header.duration_s == pytest.approx(1.2, abs=0.02)
    assert not header.is_still


def test_probe_reads_unusual_files(odd_files):
    headers = {name: ffmpeg.probe(path) for name, path in odd_files.items()}
    assert (headers["rotated"].width, headers["rotated"].height) == (144, 176)
    assert (headers["odd_444"].width, headers["odd_444"].height, headers["odd_444"].pix_fmt) == (175, 143, "yuv444p")
    assert headers["ten_bit"].pix_fmt == "yuv420p10le"
    assert headers["no_duration"].frames == 18
    assert headers["no_duration"].duration_s == pytest.approx(1.2, abs=0.02)
    assert headers["vfr"].fps == pytest.approx(12, abs=0.6)


def test_probe_knows_a_still_by_its_content(tmp_path, clip):
    name = tmp_path / "a%03d.png"
    ffmpeg.run(
        ffmpeg.arguments(ffmpeg.target(ffmpeg.source(clip)["V:0"], name, {}, "image2pipe")), timeout_s=60, kind="encode"
    )
    header = ffmpeg.probe(name)
    assert header.is_still
    assert (header.width, header.height, header.frames, header.duration_s) == (176, 144, 1, 0.0)


def test_probe_names_the_kind_of_failure(broken_files, tmp_path):
    for name, path in broken_files.items():
        with pytest.raises(Failure) as caught:
            ffmpeg.probe(path)
        assert caught.value.kind == name.split(".")[0], name
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message
    for missing in (tmp_path / "absent.mp4", tmp_path, "a\0b"):
        with pytest.raises(Failure) as caught:
            ffmpeg.probe(missing)
        assert caught.value.kind == "missing"


def test_playlists_never_open_another_file(tmp_path, clip):
    (tmp_path / "neighbour.mp4").write_bytes(clip.read_bytes())
    playlists = {
        "list.ffconcat": "ffconcat version 1.0\nfile neighbour.mp4\n",
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nneighbour.mp4\n#EXT-X-ENDLIST\n",
    }
    for name, text in playlists.items():
        playlist, out = tmp_path / name, tmp_path / f"{name}.mkv"
        playlist.write_text(text)
        node = ffmpeg.target(ffmpeg.source(playlist)["V:0"], out, ffmpeg.lossless(1), "matroska")
        with pytest.raises(Failure) as caught:
            ffmpeg.run(ffmpeg.arguments(node), timeout_s=60)
        assert caught.value.kind == "format", name
        assert not out.exists() or out.stat().st_size == 0
    for protocol in (f"concat:{clip}|{clip}", "pipe:0"):
        with pytest.raises(Failure) as caught:
            ffmpeg.run(ffmpeg.arguments(graph.output(ffmpeg.source(protocol)["V:0"], "pipe:1", f="null")), timeout_s=60)
        assert caught.value.kind == "missing", protocol  # the prefix file: makes it a file name, nothing else


def test_whitelists_come_before_every_input(clip):
    joined = graph.filter([ffmpeg.source(clip)["V:0"], ffmpeg.source(clip, 0.5)["V:0"]], "hstack")
    args = ffmpeg.arguments(graph.output(joined, "pipe:1", f="null"))
    places = [at for at, word in enumerate(args) if word == "-i"]
    assert len(places) == 2
    for first, last in zip([0, places[0] + 2], places, strict=True):
        options = args[first:last]
        assert {"-protocol_whitelist", "-format_whitelist", "-max_pixels"} <= set(options)
        assert args[last + 1].startswith("file:")
    refused = {"concat", "hls", "dash", "image2", "lavfi", "sdp", "rtsp", "imf"}
    assert not refused & set(ffmpeg.FORMATS.split(","))


def test_too_many_pixels_are_refused_before_decoding(clip):
    node = graph.output(ffmpeg.source(clip, max_pixels=10_000)["V:0"], "pipe:1", f="null")
    with pytest.raises(Failure) as caught:
        ffmpeg.run(ffmpeg.arguments(node), timeout_s=60)
    assert caught.value.kind == "too_large"


def _gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_timeout_kills_the_whole_process_group(tmp_path):
    note = tmp_path / "pid"
    script = f"trap '' TERM; sleep 600 & echo $! > {note}; wait"
    with pytest.raises(Failure) as caught:
        ffmpeg.run(["-c", script], timeout_s=1.0, executable="/bin/sh")
    assert caught.value.kind == "timeout"
    grandchild = int(note.read_text())
    deadline = time.monotonic() + 20
    while not _gone(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _gone(grandchild)


def test_leaving_the_block_ends_the_process():
    with ffmpeg.Process(["600"], timeout_s=60, executable="/bin/sleep") as child:
        assert child.process.poll() is None
    assert child.process.returncode != 0
    assert child.process.stdin is None


def test_memory_of_a_child_is_limited(monkeypatch):
    monkeypatch.setattr(ffmpeg, "MEMORY_BYTES", 64 * 2**20)
    monkeypatch.setattr(ffmpeg, "FILE_BYTES", 4096)
    script = "sleep 0.3; ulimit -v; ulimit -f"
    with ffmpeg.Process(["-c", script], timeout_s=30, stdout=True, executable="/bin/sh") as child:
        assert child.process.stdout is not None
        memory, file_blocks = child.process.stdout.read().split()
    assert int(memory) == 64 * 1024
    assert int(file_blocks) in {4, 8}  # the unit is 512 or 1024 bytes, by shell


def test_frames_survive_a_lossless_round_trip(tmp_path):
    frames = [np.full((16, 32, 3), 40 * number, np.uint8) for number in range(5)]
    path = tmp_path / "grey.mkv"
    node = ffmpeg.target(
        ffmpeg.raw_source(32, 16, 10).filter("format", "yuv420p"), path, ffmpeg.lossless(1), "matroska"
    )
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for frame in frames:
            writer.write(frame)
    read = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    back = list(ffmpeg.read_frames(read, 32, 16, timeout_s=60))
    assert len(back) == 5
    for before, after in zip(frames, back, strict=True):
        assert np.abs(before.astype(int) - after).max() <= 2


def test_an_encoder_that_cannot_start_is_a_failure(tmp_path):
    node = ffmpeg.target(ffmpeg.raw_source(32, 16, 10), tmp_path / "x.mp4", {"vcodec": "no_such_codec"}, "mp4")

    def feed():
        with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
            for _ in range(2000):
                writer.write(np.zeros((16, 32, 3), np.uint8))

    with pytest.raises(Failure) as caught:
        feed()
    assert caught.value.kind == "encode"
    assert "no_such_codec" in caught.value.message


@pytest.mark.parametrize(
    ("log", "status", "kind"),
    [
        ("[mov @ 0x1] moov atom not found\nError opening input files: x", 183, "decode"),
        ("[in#0 @ 0x1] Format not on whitelist 'mov'", 1, "format"),
        ("Input #0, avi\n[vost @ 0x1] Something odd", 1, "encode"),
        ("nothing special", -9, "crash"),
    ],
)
def test_messages_become_kinds(log, status, kind):
    failure = ffmpeg_log.explain(log, status, "encode")
    assert failure.kind == kind
    assert "0x1" not in failure.message


def test_failures_are_one_line_and_of_a_known_kind():
    assert str(Failure("decode", "two\n lines")) == "decode: two lines"
    with pytest.raises(ValueError, match="unknown failure kind"):
        Failure("bad luck", "x")


def test_binary_is_an_executable_file():
    assert os.access(ffmpeg.binary(), os.X_OK)
