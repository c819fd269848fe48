"""Encrypted MP4 files are told from broken ones."""

from __future__ import annotations

import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.encryption import scheme
from actors.media.outcome import Failure

CENC = ("-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
        "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")  # fmt: skip


@pytest.fixture(scope="module")
def encrypted(make, clip):
    return make("encrypted.mp4", "-i", str(clip), *CENC)


def test_an_encrypted_file_says_so(encrypted, tmp_path):
    def copy():
        apply(PRISTINE, 0, encrypted, 0.0, 0.0, tmp_path / "x.mkv", 0)

    def decode():
        with Decoder() as decoder:
            decoder.decode(encrypted)

    assert scheme(encrypted) == "cenc"
    for work in (lambda: ffmpeg.probe(encrypted), copy, decode):
        with pytest.raises(
            Failure, match=r"encrypted\.mp4 is encrypted \(cenc, Common Encryption\); decrypt it"
        ) as caught:
            work()
        assert caught.value.kind == "decode"


def test_other_files_are_not_encrypted(clip, make, tmp_path):
    assert scheme(clip) == scheme(tmp_path / "gone.mp4") == ""
    assert scheme(make("fast.mp4", "-i", str(clip), "-c", "copy", "-movflags", "+faststart")) == ""
    for number, content in enumerate((b"", b"x", b"\0\0\0\0moov", b"\0\0\0\4free" * 9, b"encv schm")):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(content)
        assert scheme(path) == ""
