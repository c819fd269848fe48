"""Files and names that point at something else: a neighbour's picture appears nowhere, and nobody is called.

The playlists are plain ones that FFmpeg plays by itself, so that only the project's own guards keep them out.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import ffmpeg as graph
import numpy as np
import pytest

from actors.distortions.table import PRISTINE
from actors.media import ffmpeg
from actors.media.decode import Decoder, _Window
from actors.media.outcome import Failure
from actors.media.rows import format_recipe, unpack
from actors.media.scan import scan
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.probe import Probe
from actors.sample import Decode, Synthesise
from pipeline.corpus.listing import list_inputs

SPEC = SampleSpec(key_frames=1, motion_frames=4)
CANARY = "canary-5c1f"
MAGENTA = (255, 0, 255)  # the picture of the neighbouring clip

# Playlists that name a neighbouring clip; FFmpeg writes the one of DASH itself.
PLAYLISTS = {
    "list.ffconcat": "ffconcat version 1.0\nfile neighbour.mp4\nduration 1.0\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nneighbour.ts\n#EXT-X-ENDLIST\n",
    "list.mpd": "",
}

# Texts that FFmpeg opens without another file and that hold no video.
TEXTS = {
    "words.srt": "1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n",
    "tags.mkv": ";FFMETADATA1\ntitle=Morning\n",
    "letter.mp4": "Dear Anna,\nthe film is in the other envelope.\n",
    "drawing.png": '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><rect width="9" height="9"/></svg>',
}

NAMES = [
    "-vf hflip.mp4",
    "concat:a.mp4|b.mp4",
    "a.mp4,hflip[out];[out]null.mp4",
    "http:",
    "pipe:0",
    "frame-%03d.mp4",
    "fd:3.mp4",
    'Anna\'s "best" film & $HOME \\ `draft`;.mp4',
]


@pytest.fixture(scope="module")
def listener():
    """A server on this machine that nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def assert_not_called(server):
    with pytest.raises(BlockingIOError):
        server.accept()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a clip whose every frame is magenta, the same as a transport stream, and what points at them."""
    root = tmp_path_factory.mktemp("hostile")
    clip = root / "neighbour.mp4"
    node = ffmpeg.target(ffmpeg.raw_source(64, 48, 10).filter("format", "yuv420p"), clip, ffmpeg.lossless(1), "mp4")
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for _ in range(10):
            writer.write(np.broadcast_to(np.array(MAGENTA, np.uint8), (48, 64, 3)))
    for name, text in {**PLAYLISTS, **TEXTS}.items():
        (root / name).write_text(text)
    for container, name in (("mpegts", "neighbour.ts"), ("dash", "list.mpd")):
        by_itself("-i", str(clip), "-c", "copy", "-f", container, str(root / name))
    return root


def by_itself(*arguments):
    """Standard output of FFmpeg without any guard of the project."""
    command = [ffmpeg.binary(), "-nostdin", "-y", "-loglevel", "error", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


@pytest.fixture(scope="module")
def decode():
    actor = Decode(SPEC)
    yield actor
    actor.decoder.close()


def row_of(path, *recipe):
    row = {"video_id": "v", "uri": str(path), "start_s": 0.0, "duration_s": 0.0, "still": False}
    return row | {"recipe": format_recipe(list(recipe))}


def test_the_neighbour_could_be_seen(place, decode):
    colour = unpack(decode(row_of(place / "neighbour.mp4"))).key.reshape(-1, 3).mean(0)
    assert np.abs(colour - MAGENTA).max() < 40


@pytest.mark.parametrize("name", PLAYLISTS)
def test_ffmpeg_by_itself_follows_the_playlist(name, place):
    raw = by_itself("-i", str(place / name), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    colour = np.frombuffer(raw, np.uint8).reshape(-1, 3).mean(0)
    assert np.abs(colour - MAGENTA).max() < 40


@pytest.mark.parametrize("name", [*PLAYLISTS, *TEXTS])
def test_a_playlist_or_a_text_is_no_video_and_opens_nothing(name, place, decode):
    make = Synthesise(EncodeOptions())
    rows = [Probe(10**6)(row_of(place / name)), decode(row_of(place / name))]
    rows.append(make(row_of(place / name, (PRISTINE, 0, 0), ("h264", 1, 0))))
    for row in rows:
        assert row["status"] == "failed"
        assert row["error_kind"] == "format"
        assert name in row["error"]
    assert rows[1]["key"] == b""
    assert list(make.folder.iterdir()) == []
    make.close()


@pytest.mark.parametrize("name", ["list.ffconcat", "list.m3u8"])
def test_the_child_cannot_open_a_second_file_even_where_the_probe_is_passed_by(name, place):
    import decord

    assert len(decord.VideoReader(str(place / name))) == 10, "by itself it reads the neighbour"
    with Decoder(timeout_s=30) as decoder:
        assert unprobed(decoder, place / "neighbour.mp4", place / "neighbour.mp4") is None, "a file of its own is read"
        assert unprobed(decoder, place / name, place / "neighbour.mp4") == "decode"


def test_no_protocol_but_that_of_files_is_open_to_an_input(clip):
    args = ffmpeg.arguments(graph.output(ffmpeg.source(clip)["V:0"], "pipe:1", f="null"))
    args[args.index("-i") + 1] = "pipe:0"
    with pytest.raises(Failure, match="not on whitelist 'file'"):
        ffmpeg.run(args, timeout_s=60)


def test_a_row_that_names_a_server_calls_no_one(listener, clip, tmp_path, decode):
    port = listener.getsockname()[1]
    uris = [f"{scheme}://127.0.0.1:{port}/a.mp4" for scheme in ("http", "https", "ftp", "rtmp", "tcp", "rtsp", "tls")]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(["uri", str(clip), *uris, ""]))
    listing = list_inputs(str(manifest))
    assert set(listing.refused) == set(uris)
    assert len(listing.files) == 1
    rows = [pool(row_of(uri)) for uri in uris for pool in (Probe(10**6), decode)]
    assert {row["error_kind"] for row in rows} == {"refused"}
    assert_not_called(listener)


def unprobed(decoder, path, stated):
    """Kind of the failure when the child is given a file that no whitelist has looked at; None if it read it.

    What the packets of ``stated`` say is taken to be said of it.
    """
    facts = scan(stated)
    cut = facts.cut(0.0, 0.0)
    assert cut is not None
    try:
        decoder._by_child(_Window(facts, str(path), cut, SPEC, "v", time.monotonic() + 30, None))
    except Failure as failure:
        return failure.kind
    return None


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_and_never_an_option_protocol_filter_or_pattern(name, clip, tmp_path, decode, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(clip, folder / name)
    monkeypatch.chdir(folder)  # a name that begins with a folder could be nothing else
    make = Synthesise(EncodeOptions(max_short_side=96), measure_vmaf=True)
    copy = make(row_of(name, (PRISTINE, 0, 0), ("h264", 2, 0)))
    assert (copy["status"], copy["error"]) == ("ok", "")
    assert copy["vmaf"] > 50
    assert (unpack(decode(row_of(name))).key == unpack(decode(row_of(clip))).key).all()
    assert [path.name for path in folder.iterdir()] == [name]
    make.close()


def test_processes_that_read_files_get_no_credentials(clip, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "my_password"):
        monkeypatch.setenv(name, CANARY)
    with ffmpeg.Process(["-c", "env"], timeout_s=30, stdout=True, executable="/bin/sh") as child:
        assert child.process.stdout is not None
        variables = child.process.stdout.read()
    assert b"PATH=" in variables
    assert CANARY.encode() not in variables
    with Decoder(timeout_s=30) as decoder:
        assert unprobed(decoder, clip, clip) is None
        assert decoder._child is not None
        assert CANARY.encode() not in Path(f"/proc/{decoder._child.process.pid}/environ").read_bytes()


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "no permission", "loop", "dangling"])
def test_what_is_no_regular_file_is_missing_and_never_waited_for(kind, tmp_path, decode):
    path = tmp_path / "odd.mp4"
    server = socket.socket(socket.AF_UNIX)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        server.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "no permission":
        path = Path("/proc/self/mem/x.mp4")
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "none.mp4")
    row = decode(row_of(path))
    server.close()
    assert (row["status"], row["error_kind"]) == ("failed", "missing")
