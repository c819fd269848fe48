"""The distortions that are one FFmpeg process: codecs, and filters before them. Each function is a `maker.Maker`."""

from __future__ import annotations

from actors.distortions.maker import Encoding, Setting
from actors.media import ffmpeg

_NOISE_CRF = {4: 28, 8: 32, 16: 37, 24: 41}  # the noisier the sensor, the fewer bits a camera app spends


def h264(crf: float, setting: Setting) -> Encoding:
    """x264, preset fast, at a constant rate factor."""
    return Encoding({"vcodec": "libx264", "preset": "fast", "crf": f"{crf:g}", "threads": setting.options.threads})


def h265(crf: float, setting: Setting) -> Encoding:
    """x265 at a constant rate factor; its preset is `EncodeOptions.x265_preset`."""
    options = setting.options
    pools = "none" if options.threads == 1 else str(options.threads)
    params = f"log-level=error:frame-threads=1:pools={pools}"
    return Encoding({"vcodec": "libx265", "preset": options.x265_preset, "crf": f"{crf:g}", "x265-params": params})


def vp9(crf: float, setting: Setting) -> Encoding:
    """libvpx-vp9 as a live encoder runs it, at a constant rate factor."""
    speed = {"deadline": "realtime", "cpu-used": 7, "row-mt": 1, "threads": setting.options.threads}
    return Encoding({"vcodec": "libvpx-vp9", "crf": f"{crf:g}", "b:v": 0, **speed})


def av1(crf: float, setting: Setting) -> Encoding:
    """SVT-AV1, preset 10, at a constant rate factor."""
    params = f"lp={setting.options.threads}"
    return Encoding({"vcodec": "libsvtav1", "preset": 10, "crf": f"{crf:g}", "svtav1-params": params})


def mpeg2(quantiser: float, setting: Setting) -> Encoding:
    """MPEG-2 at a constant quantiser scale."""
    threads = setting.options.threads
    return Encoding({"vcodec": "mpeg2video", "q:v": f"{quantiser:g}", "g": 30, "threads": threads})


def mjpeg(quantiser: float, setting: Setting) -> Encoding:
    """Motion JPEG at a constant quantiser scale."""
    quality = {"q:v": f"{quantiser:g}", "qmax": 69, "strict": "unofficial"}
    return Encoding({"vcodec": "mjpeg", **quality, "threads": setting.options.threads})


def denoise(strength: float, setting: Setting) -> Encoding:
    """A denoiser that is too strong (hqdn3d, the same strength in space and time), stored without loss."""
    return Encoding(
        ffmpeg.lossless(setting.options.threads),
        lambda stream: stream.filter("hqdn3d", strength, strength, strength, strength),
    )


def noise_h264(strength: float, setting: Setting) -> Encoding:
    """Sensor noise, encoded by x264 at a rate factor that rises with the noise."""
    noise = {"all_seed": setting.seed % 2**31, "alls": f"{strength:g}", "allf": "t"}
    coded = h264(_NOISE_CRF[int(strength)], setting)
    return Encoding(coded.codec, lambda stream: stream.filter("noise", **noise))
