"""Tiny clips for the media tests, made once per session with FFmpeg."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from fake_bucket import Bucket

from actors.media import ffmpeg
from actors.media.scenes import make_clip
from trainers.places import place

Make = Callable[..., Path]


# A busy machine is no failure: no test asserts a time, and neither does Hypothesis.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


os.environ.pop("RAY_ADDRESS", None)  # what the suite starts must not run on somebody's cluster


def pytest_addoption(parser):
    parser.addoption("--heavy", action="store_true", help="also run the tests marked heavy")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--heavy"):
        heavy = [item for item in items if item.get_closest_marker("heavy")]
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if not item.get_closest_marker("heavy")]


def make_media(path, *args):
    """Run FFmpeg on trusted arguments; the output path goes last."""
    subprocess.run([ffmpeg.binary(), "-y", "-loglevel", "error", "-nostdin", *args, str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """A folder for the session's clips."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def clip(media):
    """A clean textured clip with camera motion: 176x144, 15 fps, 1.2 s, 18 frames."""
    path = media / "clip.mp4"
    make_clip(0, 7, path, 176, 144, 1.2, 15.0)
    return path


@pytest.fixture(scope="session")
def numbered(media):
    """30 frames, 10 fps, 64x48: frame n is grey of level 8 n, so that a frame tells its own number."""
    path = media / "numbered.mp4"
    node = ffmpeg.target(ffmpeg.raw_source(64, 48, 10).filter("format", "yuv420p"), path, ffmpeg.lossless(1), "mp4")
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for number in range(30):
            writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
    return path


@pytest.fixture(scope="session")
def make(media):
    """``make(name, *FFmpeg arguments)`` writes a file; the same name with other arguments is another file."""

    def build(name, *args):
        path = media / hashlib.sha256(repr(args).encode()).hexdigest()[:8] / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            make_media(path, *args)
        return path

    return build


@pytest.fixture(scope="session")
def object_store():
    """The bucket ``s3://corpus`` and ``gs://anonymous@corpus``."""
    store = Bucket()
    yield store
    store.close()


@pytest.fixture
def bucket(object_store, monkeypatch):
    """The bucket, empty, named by the environment as users name theirs."""
    for name, value in {
        "AWS_ENDPOINT_URL": object_store.endpoint,
        "AWS_ACCESS_KEY_ID": "AKIACANARY",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_REGION": "eu-west-1",
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": object_store.endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    object_store.objects, object_store.requests = {}, []
    object_store.busy, object_store.denied = 0, False
    return object_store


@pytest.fixture(scope="session")
def s3_server():
    """A whole S3 server."""
    from s3_server import S3Server

    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The server, with an empty bucket of the test's own in ``bucket``, named by the environment as users name theirs."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    s3_server.requests, s3_server.busy_every = [], 0
    s3_server.bucket = f"s3://runs-{secrets.token_hex(6)}"
    s3_server.make_bucket(s3_server.bucket.removeprefix("s3://"))
    return s3_server


@pytest.fixture(params=["disk", "bucket"])
def root(request, tmp_path):
    """A place for a run: a folder, and in a second test a prefix of a bucket."""
    return tmp_path if request.param == "disk" else place(f"{request.getfixturevalue('s3').bucket}/some/run")


@pytest.fixture(scope="session")
def odd_files(make, clip):
    """Valid but unusual files, by what is unusual about them."""
    again = ("-i", str(clip))
    x264 = ("-c:v", "libx264", "-preset", "ultrafast")
    return {
        "rotated": make("rotated.mp4", "-display_rotation", "90", *again, "-c", "copy"),
        "one_frame": make("one.mp4", *again, "-frames:v", "1", *x264),
        "odd_444": make("odd.mp4", *again, "-vf", "scale=175:143", "-pix_fmt", "yuv444p", *x264),
        "ten_bit": make("ten.mkv", *again, "-pix_fmt", "yuv420p10le", *x264),
        "alpha": make("alpha.webm", *again, "-pix_fmt", "yuva420p", "-c:v", "libvpx-vp9", "-deadline", "realtime"),
        "no_duration": make("live.mkv", *again, *x264, "-f", "matroska", "-live", "1"),
        "vfr": make("vfr.mp4", *again, "-vf", "select=not(eq(mod(n\\,5)\\,2))", "-fps_mode", "vfr", *x264),
        "full_range": make("full.mkv", *again, "-pix_fmt", "yuvj420p", *x264),
    }


@pytest.fixture(scope="session")
def broken_files(make, media, clip):
    """Files that hold no readable video, by the kind of failure that they must give (before the first dot)."""
    data = clip.read_bytes()
    parts = {
        "empty.mp4": b"",
        "decode.truncated.mp4": data[: len(data) // 3],
        "format.text.mp4": b"this is a letter, not a film\n" * 40,
        "format.concat.mp4": b"ffconcat version 1.0\nfile clip.mp4\n",
        "format.hls.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nclip.mp4\n#EXT-X-ENDLIST\n",
        "format.dash.mp4": b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>\n',
    }
    for name, content in parts.items():
        (media / name).write_bytes(content)
    sound = make("no_video.mp4", "-f", "lavfi", "-i", "sine=duration=0.3", "-c:a", "aac")
    return {**{name: media / name for name in parts}, "no_video.mp4": sound}
