"""Files that try to make a decoder open something else: planted secrets must appear nowhere, and no one is called."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

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
MAGENTA = (255, 0, 255)  # the picture of the secret clip

# Text that some demuxer of FFmpeg follows to other files, by the name that it hides under; {secret} is a clip, {text} a
# text, {url} a server on this machine.
PLAYLISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile {name}\nduration 1.0\n",
    "concat-absolute.avi": "ffconcat version 1.0\nfile '{secret}'\nduration 1.0\n",
    "concat-url.mkv": "ffconcat version 1.0\nfile {url}\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n",
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n",
    "hls-url.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
    "hls-of-concat.avi": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nconcat:{secret}|{text}\n#EXT-X-ENDLIST\n",
    "hls-key.mp4": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n',
    "dash.mp4": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "dash.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{secret}</BaseURL></Period></MPD>',
    "cpl.mxf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"/>',
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    "listing.wmv": "[Reference]\nRef1={url}\n",
    "asx.asf": '<ASX version="3.0"><Entry><Ref href="{url}"/></Entry></ASX>',
    "words.srt": "1\n00:00:00,000 --> 00:00:02,000\n{text}\n",
    "words.mp4": "[Script Info]\n[Events]\nDialogue: 0,0:00:00.00,0:00:02.00,Default,,0,0,0,,{text}\n",
    "index.idx": "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n",
    "picture.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{secret}"/></svg>',
    "picture.png": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
    "filter.mp4": "movie='{secret}'[out]\n",
    "meta.mkv": ";FFMETADATA1\ntitle={text}\n",
    "ansi.ans": "\x1b[31m{text}\x1b[0m\n",
}

NAMES = [
    "concat:a.mp4|b.mp4",
    "-f lavfi -i movie=secret.mp4.mp4",
    "a.mp4,movie=secret.mp4[out];[out]null.mp4",
    "subtitles=secret.mp4:force_style='x'.mp4",
    "http:",
    "pipe:0",
    "frame-%03d.mp4",
    "fd:3.mp4",
    "a'b\"c\\d$(id)`id`;&.mp4",
]


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """A server on this machine that nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def assert_not_called(server: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        server.accept()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_secret: Path, listener: socket.socket) -> Path:
    """A folder with the secrets and everything that points at them."""
    root = tmp_path_factory.mktemp("hostile")
    shutil.copy(make_secret, root / "secret.mp4")
    (root / "secret.txt").write_text(CANARY)
    port = listener.getsockname()[1]
    words = {"name": "secret.mp4", "secret": str(root / "secret.mp4"), "text": str(root / "secret.txt"), "port": port}
    for name, text in PLAYLISTS.items():
        (root / name).write_text(text.format(**words, url=f"http://127.0.0.1:{port}/a.mp4"))
    return root


@pytest.fixture(scope="module")
def make_secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose every frame is magenta."""
    path = tmp_path_factory.mktemp("secret") / "secret.mp4"
    node = ffmpeg.target(ffmpeg.raw_source(64, 48, 10).filter("format", "yuv420p"), path, ffmpeg.lossless(1), "mp4")
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for _ in range(10):
            writer.write(np.broadcast_to(np.array(MAGENTA, np.uint8), (48, 64, 3)))
    return path


@pytest.fixture(scope="module")
def decode() -> Iterator[Decode]:
    actor = Decode(SPEC)
    yield actor
    actor.decoder.close()


def row_of(path: Path | str, *recipe: tuple[str, int, int]) -> dict:
    row = {"video_id": "v", "uri": str(path), "start_s": 0.0, "duration_s": 0.0, "still": False}
    return row | {"recipe": format_recipe(list(recipe))}


def test_the_secret_could_be_seen(make_secret: Path, decode: Decode) -> None:
    colour = unpack(decode(row_of(make_secret))).key.reshape(-1, 3).mean(0)
    assert np.abs(colour - MAGENTA).max() < 40


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_in_disguise_opens_nothing(
    name: str, place: Path, decode: Decode, listener: socket.socket, tmp_path: Path
) -> None:
    rows = [Probe(10**6)(row_of(place / name)), decode(row_of(place / name))]
    rows.append(Synthesise(EncodeOptions(), str(tmp_path))(row_of(place / name, (PRISTINE, 0, 0), ("h264", 1, 0))))
    for row in rows:
        assert row["status"] == "failed"
        assert row["error_kind"] in {"format", "decode", "no_video"}
        assert CANARY not in json.dumps({key: value for key, value in row.items() if not isinstance(value, bytes)})
    assert rows[1]["key"] == b""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert_not_called(listener)


@pytest.mark.parametrize("name", ["concat.mp4", "concat-absolute.avi", "hls.m3u8", "concat-url.mkv"])
def test_the_child_cannot_open_a_second_file_even_where_the_probe_is_passed_by(
    name: str, place: Path, listener: socket.socket
) -> None:
    with Decoder(timeout_s=30) as decoder:
        secret = place / "secret.mp4"
        assert unprobed(decoder, secret, secret) is None, "a file of its own is read"
        assert unprobed(decoder, place / name, secret) == "decode"
    assert_not_called(listener)


def test_a_row_that_names_a_server_calls_no_one(
    listener: socket.socket, clip: Path, tmp_path: Path, decode: Decode
) -> None:
    port = listener.getsockname()[1]
    uris = [f"{scheme}://127.0.0.1:{port}/a.mp4" for scheme in ("http", "https", "ftp", "rtmp", "tcp", "rtsp", "tls")]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(["uri", str(clip), *uris, f"file:http://127.0.0.1:{port}/a.mp4", ""]))
    listing = list_inputs(str(manifest))
    assert set(listing.refused) == set(uris)
    rows = [pool(row_of(uri)) for uri in [*uris, *listing.files[1:]] for pool in (Probe(10**6), decode)]
    assert {row["error_kind"] for row in rows} == {"refused", "missing"}
    assert_not_called(listener)


def unprobed(decoder: Decoder, path: Path, stated: Path) -> str | None:
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
def test_a_name_is_a_name_and_never_an_option_protocol_filter_or_pattern(
    name: str, clip: Path, tmp_path: Path, decode: Decode
) -> None:
    odd = tmp_path / "in" / name
    odd.parent.mkdir()
    shutil.copy(clip, odd)
    make = Synthesise(EncodeOptions(max_short_side=96), str(tmp_path / "out"), measure_vmaf=True)
    copy = make(row_of(odd, (PRISTINE, 0, 0), ("h264", 2, 0)))
    assert (copy["status"], copy["error"]) == ("ok", "")
    assert copy["vmaf"] > 50
    assert (unpack(decode(row_of(odd))).key == unpack(decode(row_of(clip))).key).all()
    assert [path.name for path in odd.parent.iterdir()] == [name]


def test_external_references_inside_a_container_are_not_followed(place: Path, clip: Path, decode: Decode) -> None:
    data = clip.read_bytes()
    at = data.index(b"dref") + 12  # the one entry: size, "url ", flags: this file itself
    assert data[at + 4 : at + 8] == b"url "
    evil = place / "reference.mov"
    evil.write_bytes(data[: at + 8] + bytes(4) + data[at + 12 :])  # flag cleared: the data lie elsewhere
    row = decode(row_of(evil))
    assert row["status"] in {"ok", "failed"}
    if row["status"] == "ok":
        assert (unpack(row).key == unpack(decode(row_of(clip))).key).all(), "its own frames, nobody else's"


def test_processes_that_read_files_get_no_credentials(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "my_password"):
        monkeypatch.setenv(name, CANARY)
    with ffmpeg.Process(["-c", "env"], timeout_s=30, stdout=True, executable="/bin/sh") as child:
        assert child.process.stdout is not None
        told = child.process.stdout.read()
    assert b"PATH=" in told
    assert CANARY.encode() not in told
    with Decoder(timeout_s=30) as decoder:
        assert unprobed(decoder, clip, clip) is None
        assert decoder._child is not None
        assert CANARY.encode() not in Path(f"/proc/{decoder._child.process.pid}/environ").read_bytes()


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "no permission", "loop", "dangling"])
def test_what_is_no_regular_file_is_missing_and_never_waited_for(kind: str, tmp_path: Path, decode: Decode) -> None:
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
