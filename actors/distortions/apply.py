"""Make one distorted copy of a window: `apply`, and the FFmpeg process behind each streaming simulator."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg as graph

from actors.distortions import packet_loss
from actors.distortions.table import DISTORTIONS
from actors.media import ffmpeg, ffmpeg_log
from actors.media.files import atomic
from actors.media.outcome import Failure
from actors.media.window import EncodeOptions, Window

_NOISE_CRF = {4: 28, 8: 32, 16: 37, 24: 41}  # a camera app spends fewer bits the noisier its sensor


Codec = Callable[[float, EncodeOptions], dict[str, Any]]
Chain = Callable[[Any, float, int], Any]


def _x264(value: float, options: EncodeOptions) -> dict[str, Any]:
    return {"vcodec": "libx264", "preset": "fast", "crf": f"{value:g}", "threads": options.threads}


def _x265(value: float, options: EncodeOptions) -> dict[str, Any]:
    pools = "none" if options.threads == 1 else str(options.threads)
    params = f"log-level=error:frame-threads=1:pools={pools}"
    return {"vcodec": "libx265", "preset": options.x265_preset, "crf": f"{value:g}", "x265-params": params}


def _vp9(value: float, options: EncodeOptions) -> dict[str, Any]:
    speed = {"deadline": "realtime", "cpu-used": 7, "row-mt": 1, "threads": options.threads}
    return {"vcodec": "libvpx-vp9", "crf": f"{value:g}", "b:v": 0, **speed}


def _av1(value: float, options: EncodeOptions) -> dict[str, Any]:
    return {"vcodec": "libsvtav1", "preset": 10, "crf": f"{value:g}", "svtav1-params": f"lp={options.threads}"}


def _mpeg2(value: float, options: EncodeOptions) -> dict[str, Any]:
    return {"vcodec": "mpeg2video", "q:v": f"{value:g}", "g": 30, "threads": options.threads}


def _mjpeg(value: float, options: EncodeOptions) -> dict[str, Any]:
    return {"vcodec": "mjpeg", "q:v": f"{value:g}", "qmax": 69, "strict": "unofficial", "threads": options.threads}


def _same(stream: Any, _value: float, _seed: int) -> Any:
    return stream


def _denoised(stream: Any, value: float, _seed: int) -> Any:
    return stream.filter("hqdn3d", value, value, value, value)


def _noisy(stream: Any, value: float, seed: int) -> Any:
    return stream.filter("noise", all_seed=seed % 2**31, alls=f"{value:g}", allf="t")


_STREAMING: dict[str, tuple[Chain, Codec]] = {
    "h264": (_same, _x264),
    "h265": (_same, _x265),
    "vp9": (_same, _vp9),
    "av1": (_same, _av1),
    "mpeg2": (_same, _mpeg2),
    "mjpeg": (_same, _mjpeg),
    "denoise": (_denoised, lambda _value, options: ffmpeg.lossless(options.threads)),
    "noise_h264": (_noisy, lambda value, options: _x264(_NOISE_CRF[int(value)], options)),
}


def streaming(name: str) -> tuple[Chain, Codec]:
    """Filter chain and encoder options of a simulator that is one FFmpeg process."""
    return _STREAMING[name]


def _encode(window: Window, stream: Any, codec: dict[str, Any], partial: Path, container: str) -> None:
    """One FFmpeg process from the source window to the file."""
    node = ffmpeg.target(stream, partial, codec, container)
    log = ffmpeg.run(ffmpeg.arguments(node), timeout_s=window.options.timeout_s, kind="encode")
    if ffmpeg_log.progress(log)[0] == 0:
        raise Failure("decode", f"{window.source}: no frame at {window.start_s:g} s; check start_s and duration_s")


def _transform(window: Window, name: str, value: float, seed: int, partial: Path, container: str) -> None:
    """Decode to RGB, change frame by frame, store losslessly; never more than a few frames in memory."""
    import cv2

    from actors.distortions import frame_effects

    cv2.setNumThreads(window.options.threads)
    effect = frame_effects.build(name, value, seed, window.options.hold_output, float(window.rate))
    still, timeout_s = container == "image2pipe", window.options.timeout_s
    read = graph.output(window.rgb(still), "pipe:1", f="rawvideo", **({"frames:v": 1} if still else {}))
    write = ffmpeg.target(window.raw_input(still), partial, ffmpeg.lossless(window.options.threads), container)
    with ffmpeg.FrameWriter(write, timeout_s=timeout_s) as writer:
        for frame in ffmpeg.read_frames(read, window.width, window.height, timeout_s=timeout_s):
            writer.write(effect(frame))


def _check(name: str, level: int, still: bool) -> float:
    """The parameter of a level, or a Failure for a request that makes no sense."""
    if level == 0:
        return 0.0
    row = DISTORTIONS.get(name)
    if row is None:
        raise Failure("usage", f"unknown distortion {name!r}; known are {', '.join(DISTORTIONS)}")
    if not 1 <= level <= len(row.levels):
        raise Failure("usage", f"distortion {name} has levels 0 to {len(row.levels)}, not {level}")
    if still and row.family != "spatial":
        raise Failure("usage", f"distortion {name} needs a clip; only the spatial family applies to stills")
    return row.levels[level - 1]


def apply(
    name: str,
    level: int,
    source: str | os.PathLike[str],
    start_s: float,
    duration_s: float,
    destination: str | os.PathLike[str],
    seed: int,
    still: bool = False,
    options: EncodeOptions | None = None,
) -> None:
    """Write one copy of a window at one severity.

    The window is first normalised (even size, 4:2:0, constant rate, optional ``max_short_side`` and ``max_fps``), in
    the same way for every copy, so that copies and their reference have equal size and frame count.

    Args:
        name: Key in `DISTORTIONS`; of no importance at level 0.
        level: 1-based severity; 0 writes the pristine reference, lossless.
        source: Input file.
        start_s: Start of the window, seconds.
        duration_s: Length of the window, seconds; 0 means to the end.
        destination: Output file: Matroska if it ends in ``.mkv``, otherwise MP4; PNG for stills. Written atomically.
        seed: All randomness comes from it.
        still: Write the middle frame of the window as a PNG (spatial family and level 0 only).
        options: Encoder settings.

    Raises:
        Failure: ``usage`` for an unknown name or level; otherwise as `actors.media.ffmpeg`.
    """
    options = options or EncodeOptions()
    value = _check(name, level, still)
    window = Window.open(ffmpeg.check_file(source), start_s, duration_s, still, options)
    container = "matroska" if Path(destination).suffix == ".mkv" else "mp4"
    container = "image2pipe" if still else container
    with atomic(destination) as partial:
        if level == 0:
            _encode(window, window.stream(still), ffmpeg.lossless(options.threads), partial, container)
        elif name in _STREAMING:
            chain, codec = _STREAMING[name]
            _encode(window, chain(window.stream(still), value, seed), codec(value, options), partial, container)
        elif name == "packet_loss":
            packet_loss.apply(window, value, seed, partial, container)
        else:
            _transform(window, name, value, seed, partial, container)
