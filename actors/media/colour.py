"""What a file's colours mean, and what FFmpeg is asked for: one set of rules for direct looks and for distorted copies.

decord offers no choice of conversion: it is FFmpeg's scaler with its default flags, which FFmpeg's own pipe then repeats bit
for bit. So plain files (8 bit, standard range, progressive, not cropped) may come from either. Everything else comes from the
pipe, through the same filters as its copies. docs/corpus.md, section *Colour*, has the rules and the measured differences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import ffmpeg as graph  # ffmpeg-python: builds argument lists, runs nothing here

from actors.media.outcome import Failure

Hdr = Literal["tonemap", "refuse"]
Interlaced = Literal["deinterlace", "weave"]

# Without these flags the scaler truncates, and every trip through RGB darkens a picture by a grey level.
SCALER = "bicubic+accurate_rnd+full_chroma_int"
MATRIX = "smpte170m"  # of everything that is written, so that no reader shows a copy and its reference in other colours

REFERENCE_WHITE = 203.0  # cd/m2 of an SDR picture's white in HDR (ITU-R BT.2408, table 1)
PEAK = 1000.0  # cd/m2, the nominal peak of HLG (ITU-R BT.2100); brighter PQ is clipped
KNEE = 0.8  # of the reference white: linear light below it stays as it is

_HDR = ("smpte2084", "arib-std-b67")
# What libswscale converts; other matrices make it fail, or would be read as if they were one of these.
_MATRICES = ("", "gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")
_WOVEN = ("top first", "bottom first", "top coded first (swapped)", "bottom coded first (swapped)")
_ORDERS = ("progressive", *_WOVEN)
_RANGES = {"tv": "limited", "pc": "full"}
# Of FFmpeg's names, the ones of more than 8 bits a sample: yuv420p10le, gray16be, gbrpf32le, p010le, y210le, rgb48be, ...
_DEEP = re.compile(
    r"(?:p|gray|x2rgb|x2bgr|y2|xv|v|nv|ya|xyz|p[024])(?:9|1[0-6]|20|3[026]|48)(?:x|msb)?(?:le|be)|ayuv64|f(?:16|32)|"
    r"(?:rgb|bgr)(?:48|96)|(?:rgba|bgra)(?:64|128)"
)
_RGB = re.compile("rgb|bgr|gbr")
# How many columns and rows share a chroma sample.
_CHROMA = (
    (re.compile(r"420|nv12|nv21|p01\d"), (2, 2)),
    (re.compile(r"422|nv16|nv20|p21\d|y21\d"), (2, 1)),
    (re.compile("440"), (1, 2)),
    (re.compile("411"), (4, 1)),
    (re.compile("410"), (4, 4)),
)
_PIXELS = re.compile(r", (\w+)(?:\(([^()]*(?:\([^()]*\))?[^()]*)\))?, \d+x\d+")
_CROP = re.compile(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)")
_DOLBY = re.compile(r"DOVI configuration record:.*?profile: (\d+)")


@dataclass(frozen=True)
class Rendering:
    """How unusual material is shown to models and copies.

    Attributes:
        hdr: PQ and HLG: tone-map to standard range, or refuse the file.
        interlaced: Deinterlace at the frame rate, or take both fields as one picture.
    """

    hdr: Hdr = "tonemap"
    interlaced: Interlaced = "deinterlace"

    def __post_init__(self) -> None:
        for name, kind in (("hdr", Hdr), ("interlaced", Interlaced)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"Rendering.{name} must be one of {', '.join(get_args(kind))}")


@dataclass(frozen=True)
class Tags:
    """What a file's header says of its pictures, in FFmpeg's names; empty where it says nothing.

    Attributes:
        pix_fmt: Pixel format.
        range: ``tv`` (limited) or ``pc`` (full).
        matrix: Of Y'CbCr.
        primaries: Of RGB.
        transfer: From light to code values.
        order: Of fields, as FFmpeg prints it.
        crop: Columns and rows that the container hides: left, right, top, bottom, pixels.
        dolby_vision: Profile of Dolby Vision; 0 for none.
        still: An image file, whose pictures stay RGB.
    """

    pix_fmt: str = ""
    range: str = ""
    matrix: str = ""
    primaries: str = ""
    transfer: str = ""
    order: str = ""
    crop: tuple[int, ...] = ()
    dolby_vision: int = 0
    still: bool = False

    @property
    def is_hdr(self) -> bool:
        """True for PQ and HLG; the transfer alone decides, not the primaries and not the number of bits."""
        return self.transfer in _HDR

    @property
    def is_deep(self) -> bool:
        """True for more than 8 bits a sample."""
        return _DEEP.search(self.pix_fmt) is not None

    @property
    def is_limited_grey(self) -> bool:
        """True for grey of limited range, which the scaler takes for full even where it is tagged."""
        return "gray" in self.pix_fmt and self.range == "tv"

    @property
    def is_interlaced(self) -> bool:
        """True where the header says that a frame holds two fields of different times."""
        return self.order in _WOVEN


UNTAGGED = Tags()
AS_USUAL = Rendering()


def read(line: str, below: str) -> Tags:
    """Read the tags from FFmpeg's dump.

    Args:
        line: Of the video stream.
        below: The indented lines below it, with the side data.
    """
    match = _PIXELS.search(line)
    words = [word.strip() for word in (match.group(2) or "").split(",")] if match else []
    colours = next(
        (word for word in words if word and word not in (*_RANGES, *_ORDERS) and not word.endswith("bpc")), ""
    )
    parts = colours.split("/") if "/" in colours else [colours] * 3  # one name stands for three equal ones
    matrix, primaries, transfer = ("" if part == "unknown" else part for part in parts)
    crop, dolby = _CROP.search(below), _DOLBY.search(below)
    return Tags(
        match.group(1) if match else "",
        next((word for word in words if word in _RANGES), ""),
        matrix,
        primaries,
        transfer,
        next((word for word in words if word in _ORDERS), ""),
        tuple(int(side) for side in crop.groups()) if crop else (),
        int(dolby.group(1)) if dolby else 0,
    )


def cropped(width: int, height: int, tags: Tags) -> tuple[int, int]:
    """The size of a frame, before any rotation, after the container's crop: FFmpeg rounds it down to whole chroma samples."""
    if not tags.crop:
        return width, height
    across, down = next((size for name, size in _CHROMA if name.search(tags.pix_fmt)), (1, 1))
    left, right, top, bottom = tags.crop
    width, height = max(0, width - left - right), max(0, height - top - bottom)
    return width - width % across, height - height % down


def check(name: str, tags: Tags, rendering: Rendering) -> None:
    """Refuse what would be shown in wrong colours.

    Raises:
        Failure: ``colour``.
    """
    if tags.is_hdr and rendering.hdr == "refuse":
        raise Failure(
            "colour", f"{name} is HDR ({tags.transfer}) and corpus.hdr is refuse; set corpus.hdr=tonemap to score it"
        )
    if tags.dolby_vision == 5:
        raise Failure(
            "colour",
            f"{name} is Dolby Vision profile 5, whose pictures only its own decoder can show; convert it to SDR",
        )
    if tags.matrix not in _MATRICES:
        raise Failure(
            "colour",
            f"{name} has the colour matrix {tags.matrix}, which FFmpeg's scaler cannot convert; convert it to bt709",
        )


def needs_pipe(tags: Tags, rendering: Rendering) -> bool:
    """Whether decord would show other pictures than the copies have: the file then comes from FFmpeg's pipe."""
    woven = tags.is_interlaced and rendering.interlaced == "deinterlace"
    return tags.is_hdr or tags.is_deep or tags.is_limited_grey or woven or bool(tags.crop)


def render(stream: Any, tags: Tags, rendering: Rendering) -> Any:
    """The stream as it is shown: progressive, of standard range, and 8 bit.

    Args:
        stream: ffmpeg-python video stream of a file, in its own pixel format.
        tags: The file's.
        rendering: How to show it.
    """
    if tags.is_interlaced and rendering.interlaced == "deinterlace":
        # one frame per frame, so that windows and rates stay; frames that are marked progressive are left alone
        stream = stream.filter("bwdif", mode="send_frame", parity="auto", deint="interlaced")
    if not (tags.is_hdr or tags.is_limited_grey or (tags.is_deep and not tags.still)):
        return stream
    # What is not tagged is taken as the scaler takes it: limited range, but full for grey and RGB.
    rgb = _RGB.search(tags.pix_fmt) is not None
    full = tags.range == "pc" or (not tags.range and (rgb or "gray" in tags.pix_fmt))
    source: dict[str, Any] = {"rangein": "full" if full else "limited"}
    source |= {} if rgb or tags.matrix else {"matrixin": "bt2020nc" if tags.is_hdr else MATRIX}
    if tags.is_hdr:
        stream = (_by_table if tags.transfer == "arib-std-b67" else _standard_range)(stream, tags, source)
        source = {}
    # zscale, because the scaler dithers what has more than 8 bits, even when told not to
    matrix, extent, pixels = ("gbr", "full", "gbrp") if tags.still else (MATRIX, "limited", "yuv420p")
    return stream.filter("zscale", matrix=matrix, range=extent, dither="none", **source).filter("format", pixels)


def _standard_range(stream: Any, tags: Tags, source: dict[str, Any]) -> Any:
    """HDR to R'G'B' of standard range: light over reference white, BT.709 primaries, a curve over max(R, G, B), gamma 2.4."""
    source = source if tags.primaries else {**source, "primariesin": "bt2020"}
    # without agamma=0 zscale applies HLG's system gamma to each channel, not to luminance: 40 levels off in mild colours
    gamma = {"agamma": int(tags.transfer != "arib-std-b67")}
    light = stream.filter("zscale", transfer="linear", npl=REFERENCE_WHITE, **gamma, **source).filter(
        "format", "gbrpf32le"
    )
    peak = f"{PEAK / REFERENCE_WHITE:.6f}"
    light = light.filter("zscale", primaries="bt709").filter(
        "tonemap", tonemap="mobius", param=KNEE, peak=peak, desat=0
    )
    return light.filter("zscale", transfer="bt709", **gamma)


def _by_table(stream: Any, tags: Tags, source: dict[str, Any]) -> Any:
    """The same through a table of 64^3 colours that FFmpeg makes first: HLG's exact formula takes three times as long."""
    packed = ("gbrp16le", "rgb48le")  # haldclut takes planes in another order than it should
    cube = graph.input("haldclutsrc=level=8:rate=25:duration=0.04,format=rgb48le", f="lavfi", format_whitelist="lavfi")
    labels = {
        "range": "pc",
        "colorspace": "gbr",
        "color_primaries": tags.primaries or "bt2020",
        "color_trc": tags.transfer,
    }
    cube = cube.filter("format", packed[0]).filter("setparams", **labels)
    cube = _standard_range(cube, tags, {})
    stream = stream.filter("zscale", matrix="gbr", range="full", **source)
    for pixels in packed:
        stream, cube = stream.filter("format", pixels), cube.filter("format", pixels)
    # a frame that comes before the table would pass unchanged
    stream = graph.filter([stream, cube.filter("setpts", "-1000000/TB")], "haldclut", interp="tetrahedral")
    for pixels in reversed(packed):
        stream = stream.filter("format", pixels)
    return stream.filter("setparams", color_primaries="bt709", color_trc="bt709")


def labelled(stream: Any, still: bool) -> Any:
    """The stream with the labels of a copy: frames bring those of their source, which overrule an output's options."""
    if still:
        return stream.filter("setparams", color_primaries="unknown", color_trc="unknown")
    return stream.filter("setparams", range="tv", colorspace=MATRIX, color_primaries=MATRIX, color_trc=MATRIX)
