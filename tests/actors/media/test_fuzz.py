"""Mutated files through ingest, decode and distortion: every one ends as a row, and no process is left behind.

The mutations are new in every run. Their seed is printed; the files themselves are never kept, and one that a decoder
dies of is known by its row only (its kind is ``crash`` or ``timeout``).
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.media.outcome import KINDS
from actors.media.rows import format_recipe, unpack
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.probe import Probe
from actors.sample import Decode, Synthesise

FILES_PER_FORMAT = 60
SEED = int(os.environ.get("W2S_MUTATION_SEED") or secrets.randbits(32))
FORMATS = {
    "h264.mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart"),
    "hevc.mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime"),
    "mpeg4.avi": ("-c:v", "mpeg4"),
    "mpeg2.ts": ("-c:v", "mpeg2video"),
}
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Mutation = Callable[[bytearray, np.random.Generator], bytes]


def bit_flips(data, generator):
    for at in generator.integers(0, len(data), size=int(generator.integers(1, 60))):
        data[at] ^= 1 << int(generator.integers(8))
    return bytes(data)


def truncation(data, generator):
    return bytes(data[: int(generator.integers(1, len(data)))])


def header_edit(data, generator):
    """Fields of four bytes near the beginning become numbers that nobody expects: sizes, counts, rates."""
    for at in generator.integers(0, min(1500, len(data) - 4), size=int(generator.integers(1, 8))):
        data[at : at + 4] = int(generator.choice(EXTREMES)).to_bytes(4, "big")
    return bytes(data)


def repetition(data, generator):
    """A piece is copied to another place, over what was there or between it."""
    start, place = (int(at) for at in generator.integers(0, len(data), size=2))
    piece = data[start : start + int(generator.integers(1, 800))]
    data[place : place + (len(piece) if generator.random() < 0.5 else 0)] = piece
    return bytes(data)


def beginning(data, generator):
    """Too little of any container for a picture, so that every format meets a file that cannot be read."""
    return bytes(data[: int(generator.integers(1, 100))])


MUTATIONS = (bit_flips, truncation, header_edit, repetition, beginning)


@pytest.fixture(scope="module")
def decode():
    actor = Decode(SampleSpec(key_frames=1, motion_frames=4, max_pixels=10**6), measure=True, timeout_s=20)
    yield actor
    actor.decoder.close()


def children():
    """Process id and state of every child of this process."""
    processes = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:  # it has ended
                continue
            if int(parent) == os.getpid():
                processes.append((int(folder.name), state))
    return processes


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files_end_as_rows_and_leave_nothing_behind(name, make, tmp_path, decode):
    source = "testsrc2=size=64x64:rate=8:duration=1"
    whole = make(f"whole-{name}", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", *FORMATS[name]).read_bytes()
    generator = np.random.default_rng([SEED, list(FORMATS).index(name)])
    before = {pid for pid, _ in children()}
    probe = Probe(10**6)
    synthesise = Synthesise(EncodeOptions(max_short_side=32, max_pixels=10**6, timeout_s=20))
    kinds = Counter()
    for number in range(FILES_PER_FORMAT):
        path = tmp_path / name
        try:
            path.write_bytes(MUTATIONS[number % len(MUTATIONS)](bytearray(whole), generator))
            step = ("h264", 2, 0) if number % 8 < 4 else ("jitter", 2, 0)
            for row in passed(path, step, probe, decode, synthesise):
                assert row["status"] in {"ok", "failed"}
                assert (row["error_kind"] in KINDS) == (row["status"] == "failed")
                assert "\n" not in row["error"]
                kinds[row["error_kind"] or "ok"] += 1
        finally:
            path.unlink()
    print(f"W2S_MUTATION_SEED={SEED} {name}: {dict(kinds)}")
    assert kinds["ok"] > FILES_PER_FORMAT / 2, "the mutations leave something to decode and to distort"
    assert sum(kinds.values()) > kinds["ok"], "and break something"
    own = decode.decoder._child.process.pid if decode.decoder._child else None
    assert {pid for pid, _ in children()} - before <= {own}
    assert "Z" not in {state for _, state in children()}
    assert set(synthesise.folder.iterdir()) <= set(synthesise.bases.values()), (
        "what is kept for the next copies of a window"
    )
    synthesise.close()


def passed(path, step, probe, decode, synthesise):
    """The file's rows on its way, as far as it gets."""
    row = {"video_id": path.name, "uri": str(path), "start_s": 0.0, "duration_s": 0.0, "still": False}
    probed = probe(row)
    yield probed
    if probed["status"] == "ok":
        shown = decode({**row, "recipe": ""})
        yield shown
        assert shown["status"] == "failed" or unpack(shown).key.size
        made = synthesise({**row, "recipe": format_recipe([step])})
        yield decode(made)
        synthesise.drop(made)
