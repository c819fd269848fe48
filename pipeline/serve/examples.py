"""Videos to try the page with: a clip that this program renders, and copies of it that are worse throughout or for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from actors.media import ffmpeg
from actors.media.scenes import make_clip
from actors.media.window import EncodeOptions, Window

_CLIP = 21  # its number in the collection: a page of text, clean
_WIDTH, _HEIGHT, _SECONDS, _FPS = 480, 270, 6.0, 15.0
_X264 = {"vcodec": "libx264", "preset": "veryfast", "threads": 1, "movflags": "+faststart"}


@dataclass(frozen=True)
class Example:
    """A video to try.

    Attributes:
        name: In addresses.
        title: For people.
        codec: Options of the encoder that makes it from the clip; None for the clip itself.
    """

    name: str
    title: str
    codec: dict[str, object] | None = field(default=None, hash=False)

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.mp4"


EXAMPLES = (
    Example("clean", "a rendered page of text"),
    Example("coarse", "the same, coarsely encoded", {**_X264, "crf": 44}),
    Example("dip", "the same, with two bad seconds", {**_X264, "crf": 18, "x264-params": "zones=30,59,q=51"}),
)
BY_NAME = {example.name: example for example in EXAMPLES}


class Examples:
    """Makes the examples when they are first asked for, in a folder that its owner removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    def path(self, name: str) -> Path:
        """The file of an example, which is made in a few seconds if it is not there.

        Raises:
            KeyError: There is no such example.
            Failure: It cannot be made.
        """
        example = BY_NAME[name]
        with self._lock:
            clip = self._made(BY_NAME["clean"], _render)
            if example.codec is None:
                return clip
            codec = example.codec
            return self._made(example, lambda path: _encode(clip, path, codec))

    def _made(self, example: Example, make: Callable[[Path], None]) -> Path:
        path = self._folder / f"example-{example.file}"
        if not path.is_file():
            partial = path.with_suffix(".partial.mp4")
            make(partial)
            partial.rename(path)
        return path


def _render(path: Path) -> None:
    make_clip(_CLIP, 0, path, _WIDTH, _HEIGHT, _SECONDS, _FPS)


def _encode(clip: Path, path: Path, codec: dict[str, object]) -> None:
    options = EncodeOptions()
    window = Window.open(str(clip), 0.0, 0.0, False, options)
    node = ffmpeg.target(window.stream(still=False), path, codec, "mp4")
    ffmpeg.run(ffmpeg.arguments(node), timeout_s=options.timeout_s, kind="encode")
