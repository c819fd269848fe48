"""The distortions that are one process of FFmpeg: codecs, and filters before them. Each function is a `maker.Maker`.

The pictures of x264, x265, VP9 and MPEG-2 depend on the number of threads (measured: 4 against 1 for x264, 2 for the others),
so these work on one thread whatever `EncodeOptions.threads` says; SVT-AV1 and Motion JPEG give the same pictures on any
number. A copy is then the same on every machine, and the actors keep all CPUs busy.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from actors.distortions.maker import Encoding, Setting

# Frames per second that FFmpeg's MPEG-2 encoder takes as they are (measured: a copy has the times of its reference). It takes
# 7.49 for 7.5, 12 for 12.5 and 24 for 24.5.
_MPEG2_RATES = frozenset(
    [Fraction(rate) for rate in (1, 5, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60)]
    + [Fraction(rate, 1001) for rate in (15000, 24000, 30000, 60000)]
)
_NOISE_CRF = {4: 28, 8: 32, 16: 37, 24: 41}  # the noisier the sensor, the fewer bits a camera app spends


def h264(crf: float, _: Setting) -> Encoding:
    """x264, preset fast, at a constant rate factor."""
    return Encoding({"vcodec": "libx264", "preset": "fast", "crf": f"{crf:g}", "threads": 1})


def h265(crf: float, setting: Setting) -> Encoding:
    """x265 at a constant rate factor; its preset is `EncodeOptions.x265_preset`."""
    params = "log-level=error:frame-threads=1:pools=none"
    preset = setting.options.x265_preset
    return Encoding({"vcodec": "libx265", "preset": preset, "crf": f"{crf:g}", "x265-params": params})


def vp9(crf: float, _: Setting) -> Encoding:
    """libvpx-vp9 as a live encoder runs it, at a constant rate factor."""
    speed = {"deadline": "realtime", "cpu-used": 7, "row-mt": 1, "threads": 1}
    return Encoding({"vcodec": "libvpx-vp9", "crf": f"{crf:g}", "b:v": 0, **speed})


def av1(crf: float, setting: Setting) -> Encoding:
    """SVT-AV1, preset 10, at a constant rate factor."""
    params = f"lp={setting.options.threads}"
    return Encoding({"vcodec": "libsvtav1", "preset": 10, "crf": f"{crf:g}", "svtav1-params": params})


def _at_25(stream: Any) -> Any:
    """The same frames at 25 per second: the time base changes first, since the window's own may be too coarse for it."""
    return stream.filter("settb", "1/25").filter("setpts", "N").filter("fps", fps="25")


def mpeg2(quantiser: float, setting: Setting) -> Encoding:
    """MPEG-2 at a constant quantiser scale.

    A rate that MPEG-2 does not have would be replaced by the nearest one, with other times and other frames than the
    reference's. Such a window is coded at 25 frames per second, which changes no picture, and decoded into its own rate.
    """
    codec = {"vcodec": "mpeg2video", "q:v": f"{quantiser:g}", "g": 30, "threads": 1}
    if setting.rate in _MPEG2_RATES:
        return Encoding(codec)
    return Encoding(codec, _at_25, "mpeg2video")


def mjpeg(quantiser: float, setting: Setting) -> Encoding:
    """Motion JPEG at a constant quantiser scale."""
    quality = {"q:v": f"{quantiser:g}", "qmax": 69, "strict": "unofficial"}
    return Encoding({"vcodec": "mjpeg", **quality, "threads": setting.options.threads})


def denoise(strength: float, _: Setting) -> Encoding:
    """A denoiser that is too strong (hqdn3d, the same strength in space and time), stored without loss."""
    return Encoding(chain=lambda stream: stream.filter("hqdn3d", strength, strength, strength, strength))


def noise_h264(strength: float, setting: Setting) -> Encoding:
    """Sensor noise, encoded by x264 at a rate factor that rises with the noise."""
    noise = {"all_seed": setting.seed % 2**31, "alls": f"{strength:g}", "allf": "t"}
    coded = h264(_NOISE_CRF[int(strength)], setting)
    return Encoding(coded.codec, lambda stream: stream.filter("noise", **noise))
