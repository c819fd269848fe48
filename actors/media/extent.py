"""Why a window holds no frame: where a file's pictures end, beside what its header promises."""

from __future__ import annotations

import ffmpeg as graph

from actors.media import ffmpeg, ffmpeg_log
from actors.media.outcome import Failure

_TIMEOUT_S = 60.0
_SLACK_S = 0.5  # a header that promises no more than this beyond the last picture is right


def no_frame(path: str, start_s: float) -> Failure:
    """The Failure of a window in which no frame was decoded; counts packets, which decodes nothing.

    Args:
        path: The file.
        start_s: Start of the window, seconds.
    """
    advice = Failure("decode", f"{path}: no frame at {start_s:g} s; check start_s and duration_s")
    try:
        header = ffmpeg.probe(path)
        node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", c="copy", f="null")
        end_s = ffmpeg_log.progress(ffmpeg.run(ffmpeg.arguments(node), timeout_s=_TIMEOUT_S))[1]
    except Failure:
        return advice
    if header.is_still or end_s + _SLACK_S > header.duration_s or end_s > start_s:
        return advice
    return Failure(
        "decode",
        f"{path}: no frame at {start_s:g} s: it ends at {end_s:.3g} s, its header says {header.duration_s:.3g} s; copy it again",
    )
