"""Clips in which every picture tells its own number, in every container and spacing, and recipes of odd files.

Number n is drawn as eight vertical bars, one for each of its bits: no codec, scaler or colour matrix can blur it away.
"""

from __future__ import annotations

import struct
import subprocess

import numpy as np

from actors.media import ffmpeg

WIDTH, HEIGHT = 64, 48
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1", "-g", "20", "-bf", "2")
X265 = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-g", "20", "-x265-params")
VP9 = ("-c:v", "libvpx-vp9", "-g", "20", "-pix_fmt", "yuv420p", "-b:v", "500k", "-deadline", "realtime")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "20", "-pix_fmt", "yuv420p", "-svtav1-params", "lp=1")
MPEG2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3", "-pix_fmt", "yuv420p")
MPEG4 = ("-c:v", "mpeg4", "-g", "20", "-q:v", "3")

# Name of the file -> rate, encoder. Sixty pictures each.
KINDS = {
    "h264.mp4": (10, X264), "h264.mkv": (10, X264), "h264.mov": (10, X264), "h264.flv": (10, X264), "h264.nut": (10, X264),
    "h264.ts": (10, X264), "h264.m2ts": (25, X264), "h264.mxf": (25, X264), "h264.h264": (25, X264),
    "h264.avi": (10, (*X264, "-bf", "0")), "one_key.mp4": (10, (*X264, "-g", "999", "-sc_threshold", "0")),
    "one_key.ts": (10, (*X264, "-g", "999", "-sc_threshold", "0")),
    "refresh.mp4": (10, (*X264, "-bf", "0", "-sc_threshold", "0", "-x264-params", "intra-refresh=1:log-level=error")),
    "refresh.mkv": (10, (*X264, "-bf", "0", "-sc_threshold", "0", "-x264-params", "intra-refresh=1:log-level=error")),
    "refresh.ts": (10, (*X264, "-bf", "0", "-sc_threshold", "0", "-x264-params", "intra-refresh=1:log-level=error")),
    "open_gop.mkv": (10, (*X264, "-x264-params", "open-gop=1:log-level=error")),
    "hevc.mp4": (10, (*X265, "log-level=error:open-gop=1")), "hevc.mkv": (10, (*X265, "log-level=error:open-gop=1")),
    "hevc.ts": (10, (*X265, "log-level=error")), "hevc_closed.mp4": (10, (*X265, "log-level=error:open-gop=0")),
    "vp8.webm": (10, ("-c:v", "libvpx", "-g", "20", "-pix_fmt", "yuv420p", "-b:v", "500k", "-auto-alt-ref", "1")),
    "vp9.webm": (10, VP9), "vp9.mp4": (10, VP9), "vp9.ivf": (10, VP9), "av1.mp4": (10, AV1), "av1.ivf": (10, AV1),
    "mpeg2.mpg": (25, MPEG2), "mpeg2.vob": (25, MPEG2), "mpeg2.ts": (25, MPEG2), "mpeg2.mkv": (25, MPEG2),
    "mpeg2.mp4": (25, MPEG2), "mpeg2.avi": (25, MPEG2), "mpeg2.m2v": (25, MPEG2),
    "mpeg1.mpg": (25, ("-c:v", "mpeg1video", *MPEG2[2:])), "mpeg4.avi": (25, MPEG4), "mpeg4.mp4": (25, MPEG4),
    "mpeg4_b.avi": (25, (*MPEG4, "-bf", "2")), "mpeg4_b.mp4": (25, (*MPEG4, "-bf", "2")),
    "mpeg4_b.mkv": (25, (*MPEG4, "-bf", "2")), "mjpeg.avi": (25, ("-c:v", "mjpeg", "-q:v", "3")),
    "mjpeg.mov": (25, ("-c:v", "mjpeg", "-q:v", "3")), "prores.mov": (25, ("-c:v", "prores_ks")),
    "ffv1.mkv": (25, ("-c:v", "ffv1")), "wmv2.wmv": (25, ("-c:v", "wmv2", "-g", "20", "-q:v", "3")),
    "flv1.flv": (25, ("-c:v", "flv", "-g", "20", "-q:v", "3")), "theora.ogv": (25, ("-c:v", "libtheora", "-g", "20")),
    "a.gif": (10, ()), "a.apng": (10, ("-f", "apng")), "a.webp": (10, ("-c:v", "libwebp_anim", "-lossless", "1")),
    "a.y4m": (10, ("-pix_fmt", "yuv420p")),
}  # fmt: skip


def picture(number, width=WIDTH, height=HEIGHT):
    """The RGB picture of a number from 0 to 255."""
    bits = (number >> np.arange(8)) & 1
    row = np.where(bits[np.arange(width) * 8 // width], 235, 20).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3))


def number_of(frame):
    """The number of a picture, RGB ``[H, W, 3]`` or luma ``[H, W]``."""
    columns = frame.reshape(*frame.shape[:2], -1).mean(axis=(0, 2))
    parts = np.array_split(columns, 8)
    return sum(1 << bit for bit, part in enumerate(parts) if part[2:-2].mean() > 128)


def numbers_of(sample):
    """The numbers of the consecutive pictures of a sample."""
    return [number_of(frame) for frame in sample.luma]


def run(*args, data=b""):
    """FFmpeg on trusted arguments."""
    command = [ffmpeg.binary(), "-y", "-loglevel", "error", *map(str, args)]
    subprocess.run(command, input=data, check=True, timeout=120)


def write(path, numbers, rate, *encoder, filters="null"):
    """A clip of numbered pictures."""
    size = (128, 96) if "libsvtav1" in encoder else (WIDTH, HEIGHT)
    data = b"".join(picture(number, *size).tobytes() for number in numbers)
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-framerate", str(rate), "-i", "pipe:0")
    run(*raw, "-vf", filters, "-fps_mode", "passthrough", *encoder, path, data=data)
    return path


def kind(folder, name):
    """A file of `KINDS`, made where it is missing."""
    path = folder / name
    if not path.exists():
        rate, encoder = KINDS[name]
        write(path, range(60), rate, *encoder)
    return path


def at_times(path, times_s, *encoder):
    """A clip whose picture n begins at ``times_s[n]``; the clock of the container rounds."""
    places = "+".join(f"eq(N\\,{number})*{time:.6f}" for number, time in enumerate(times_s))
    return write(path, range(len(times_s)), 1000, *encoder, filters=f"settb=1/90000,setpts=({places})/TB")


def with_matrix(source, target, matrix):
    """An MP4 with the display matrix ``(a, b, c, d)`` of its track header (ISO/IEC 14496-12, 8.3.2)."""
    data = source.read_bytes()
    at = data.index(b"tkhd") + 44
    plain = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    assert struct.unpack(">9i", data[at : at + 36]) == plain
    a, b, c, d = (round(value * (1 << 16)) for value in matrix)
    target.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :])
    return target


def with_exif_orientation(source, target, orientation):
    """A JPEG with an EXIF block that holds one tag: Orientation (0x0112)."""
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    data = source.read_bytes()
    assert data[:2] == b"\xff\xd8"
    target.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    return target


def with_clean_aperture(source, target, width, height):
    """An MP4 whose pictures are cropped around their centre by a box ``clap`` (ISO/IEC 14496-12, 12.1.4)."""
    data = bytearray(source.read_bytes())
    assert data.index(b"mdat") < data.index(b"moov"), "what follows may grow"
    box = struct.pack(">I4s8I", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    starts = [data.rindex(name) - 4 for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")]
    end = starts[-1] + int.from_bytes(data[starts[-1] : starts[-1] + 4], "big")
    for at in starts:
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(box)).to_bytes(4, "big")
    target.write_bytes(data[:end] + box + data[end:])
    return target
