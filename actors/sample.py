"""The first pool of a stream: make the distorted copy of a row, measure it and decode it, all on one node."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import ffmpeg as graph
import numpy as np

from actors.distortions.apply import ARRAY, NOTHING, Prepared, apply
from actors.distortions.table import DISTORTIONS, PRISTINE
from actors.indicators import INDICATORS, Meter
from actors.media.decode import Decoder
from actors.media.downloads import Keep
from actors.media.files import atomic, room_in
from actors.media.inputs import Inputs
from actors.media.network_views import Clip
from actors.media.outcome import Failure
from actors.media.rows import Recipe, Row, attempt, empty_sample, format_recipe, fresh, pack, parse_recipe
from actors.media.samples import picture, streamed
from actors.media.scratch import Scratch
from actors.media.views import Sample, SampleSpec
from actors.media.vmaf import Look, labels
from actors.media.window import EncodeOptions, Window
from actors.memory import keep_freed

_MAX_BASES = 4  # intermediate files kept for the next rows, which often share the window or the start of a recipe
# VMAF v0.6.1 and v1.0.16 of a copy, NaN if not measured, and why the second has no score.
NOT_MEASURED: Row = {"vmaf": float("nan"), "vmaf_v1": float("nan"), "vmaf_v1_note": ""}
SAMPLE = "sample"  # column of a row between the two parts of a `Sampler`
_PREFIX = "w2s-copies-"  # of an actor's folder
# Frames of a window that are read without a file between: a longer one may have less of it decoded, one of few or slow frames
# is held on the screen, and the offsets of views need a copy's own rate.
_FEWEST, _MOST, _SLOWEST = 3, 256, 2.0
_UNDISTORTED: Recipe = [(PRISTINE, 0, 0)]


class Sampler:
    """Ray actor: make the copy that a row asks for, measure its VMAF, and decode the copy, or the window itself, once.

    Copies lie on this node's own disk, and each is deleted as soon as it has been decoded: its recipe can make it again.
    Adds the columns of `NOT_MEASURED` and of `Decode`.

    Args:
        spec: What to keep of each window.
        options: Encoder settings of the copies.
        measure_vmaf: Measure VMAF of every copy.
        keep: Folder of the run that gets each copy, or None to keep none.
        measure: Measure the indicators.
        timeout_s: Limit of one decode, seconds.
        downloads: Where and how much of the objects of buckets is kept.
        second_label: Measure it by the second model too.
    """

    def __init__(
        self,
        spec: SampleSpec,
        options: EncodeOptions,
        measure_vmaf: bool = False,
        keep: str | None = None,
        measure: bool = False,
        timeout_s: float = 120.0,
        downloads: Keep | None = None,
        second_label: bool = True,
    ) -> None:
        keep_freed()
        inputs = Inputs(downloads)
        self.decode = Decode(spec, measure, timeout_s, inputs)
        self.synthesise = Synthesise(options, measure_vmaf, keep, inputs, self.decode, second_label)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        shown = self._shown(row)
        if shown is not None:
            return shown
        made = self.synthesise(row)
        try:
            result = self.decode(made)
        finally:
            self.synthesise.drop(made)
        for name in ("path", SAMPLE):  # nobody else could open the file
            result.pop(name, None)
        return result

    def _shown(self, row: Row) -> Row | None:
        """The undistorted window in the form of the run, by one process and without a file; None where that is not the same.

        What fails goes the way of a copy, which says why.
        """
        making = self.synthesise
        if row["still"] or making.keep is not None or making.measure_vmaf or not _is_undistorted(row):
            return None
        try:
            found = self.decode.directly(row, making.options)
        except Failure:
            return None
        return None if found is None else {**fresh(row), **NOT_MEASURED, **found}

    def close(self) -> None:
        """Remove the copies and end the decoding process."""
        self.decode.decoder.close()
        self.synthesise.close()

    def __del__(self) -> None:
        if hasattr(self, "decode"):
            self.close()


class Synthesise:
    """Applies a row's recipe with FFmpeg and, if requested, measures VMAF against the undistorted window.

    Takes the columns of `actors.media.rows`. Adds `path` (the distorted file, until `drop`; empty for a row without recipe)
    and the columns of `NOT_MEASURED`. Rows that share all but the last step of a recipe reuse the intermediate file.

    Args:
        options: Encoder settings.
        measure_vmaf: Measure VMAF.
        keep: Folder of the run that gets the copies, or None to keep none.
        inputs: Where the bytes of videos come from.
        decode: Is shown the frames of a copy while it is measured, if they are few; they are then in `SAMPLE`.
        second_label: Measure it by the second model too.
    """

    def __init__(
        self,
        options: EncodeOptions,
        measure_vmaf: bool = False,
        keep: str | None = None,
        inputs: Inputs | None = None,
        decode: Decode | None = None,
        second_label: bool = True,
    ) -> None:
        self.options = options
        self.decode = decode
        self.measure_vmaf = measure_vmaf
        self.second_label = second_label
        self.keep = Path(keep) if keep is not None else None
        self.inputs = inputs or Inputs()
        self._scratch: Scratch | None = None
        self.bases: OrderedDict[tuple[str, str], Path] = OrderedDict()
        self._window = ""  # of the copy before

    @property
    def folder(self) -> Path:
        """The folder of all copies and intermediate files, made for the first of them."""
        if self._scratch is None:
            self._scratch = Scratch(_PREFIX)
        return self._scratch.path

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return attempt(fresh(row), lambda: self._copy(row), {"path": "", **NOT_MEASURED})

    def drop(self, made: Row) -> None:
        """Delete the copy of a row that has been decoded."""
        if made["path"]:
            Path(made["path"]).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all files."""
        if self._scratch is not None:
            self._scratch.close()

    def _copy(self, row: Row) -> Row:
        return self.inputs.use(row, self._make) if row["recipe"] else {"path": "", **NOT_MEASURED}

    def _make(self, row: Row) -> Row:
        with room_in(tempfile.gettempdir()):
            copy = self.folder / f"{row['video_id']}{self._suffix(bool(row['still']))}"
        try:
            with room_in(tempfile.gettempdir()):
                measured = self._write(row, copy)
            if self.keep is not None:
                self._store(copy, self.keep)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return {"path": str(copy), **measured}

    def _write(self, row: Row, copy: Path) -> Row:
        """Make the copy and return the columns of its measurement."""
        *before, (name, level, seed) = parse_recipe(row["recipe"])
        source, start, duration = self._base(row, before)
        prepared = NOTHING if before else Prepared(self._clip(row), self._frames(row, name))
        passing = self.keep is None
        still = bool(row["still"])
        window = apply(name, level, source, start, duration, copy, seed, still, self.options, passing, prepared)
        if not self.measure_vmaf:
            return NOT_MEASURED
        reference = self._base(row, _UNDISTORTED)[0]
        samples: list[Sample | None] = []
        look = None if self.decode is None else self.decode.looking(window, row, samples)
        found = labels(reference, copy, self.options.threads, look, both=self.second_label)
        labelled = {"vmaf": found.first, "vmaf_v1": found.second, "vmaf_v1_note": found.note}
        return labelled if samples in ([], [None]) else {**labelled, SAMPLE: samples[0]}

    def _suffix(self, still: bool) -> str:
        """Of a copy: a still that `decode` reads at once, and nobody keeps, needs no encoder."""
        passing = self.decode is not None and self.keep is None
        return (ARRAY if passing else ".png") if still else ".mkv"

    def _clip(self, row: Row) -> Path | None:
        """The undistorted window, where it is needed anyway or another copy of it came before."""
        window, self._window = self._window, _window(row)
        wanted = self.measure_vmaf or (window == self._window and not row["still"])
        return Path(self._base(row, _UNDISTORTED)[0]) if wanted else None

    def _frames(self, row: Row, name: str) -> Path | None:
        """Where the frames that effects change lie, or will."""
        if name in DISTORTIONS and DISTORTIONS[name].family == "streaming":
            return None
        key = (_window(row), "still" if row["still"] else "frames")
        if key not in self.bases:
            self._remember(key, self.folder / f"base-{secrets.token_hex(6)}.rgb")
        self.bases.move_to_end(key)
        return self.bases[key]

    @staticmethod
    def _store(copy: Path, folder: Path) -> None:
        """Put the copy into the folder of the run, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        with room_in(folder), atomic(folder / copy.name) as partial:
            shutil.copyfile(copy, partial)

    def _base(self, row: Row, steps: Recipe) -> tuple[str, float, float]:
        """File and window for the last step of the recipe; makes the file and keeps it for the next rows, if necessary."""
        source, start, duration = str(row["uri"]), float(row["start_s"]), float(row["duration_s"])
        if not steps:
            return source, start, duration
        key = (_window(row), format_recipe(steps))
        if key in self.bases:
            self.bases.move_to_end(key)
            return str(self.bases[key]), 0.0, 0.0
        if steps[:-1]:
            source, start, duration = self._base(row, steps[:-1])
        path = self.folder / f"base-{secrets.token_hex(6)}.mkv"  # no video has such an id
        name, level, seed = steps[-1]
        apply(name, level, source, start, duration, path, seed, False, self.options, True)
        self._remember(key, path)
        return str(path), 0.0, 0.0

    def _remember(self, key: tuple[str, str], path: Path) -> None:
        """Keep an intermediate file for the next rows, and remove the oldest of too many."""
        self.bases[key] = path
        while len(self.bases) > _MAX_BASES:
            self.bases.popitem(last=False)[1].unlink(missing_ok=True)


def _is_undistorted(row: Row) -> bool:
    steps = parse_recipe(row["recipe"])
    return len(steps) == 1 and steps[0][1] == 0


def _window(row: Row) -> str:
    """A name for the window of a row in the file as it is now: what was made of another state of it is not taken for its own."""
    try:
        facts = Path(row["uri"]).stat()
        state = f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ino}"
    except (OSError, ValueError):  # whoever reads it says what is wrong with it
        state = ""
    return f"{row['uri']}@{float(row['start_s'])}+{float(row['duration_s'])} {state}"


class Decode:
    """Decodes a row's window (or its distorted copy) once into a packed `actors.media.views.Sample`.

    Adds the columns of `actors.media.rows.SAMPLE_COLUMNS`, `width` and `height` (pixels), and with `measure` the columns
    of `actors.indicators.INDICATORS`, measured in the same pass.

    Args:
        spec: What to keep of each window.
        measure: Measure the indicators.
        timeout_s: Limit of one decode, seconds.
        inputs: Where the bytes of videos come from.
    """

    def __init__(
        self, spec: SampleSpec, measure: bool = False, timeout_s: float = 120.0, inputs: Inputs | None = None
    ) -> None:
        self.spec = spec
        self.decoder = Decoder(timeout_s=timeout_s)
        self.inputs = inputs or Inputs()
        self.meter = Meter() if measure else None
        self.failure_columns: Row = {**empty_sample(), "width": 0, "height": 0, **self._indicators()}

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        row = row if "status" in row else fresh(row)
        return attempt(row, lambda: self._sample(row), self.failure_columns)

    def _sample(self, row: Row) -> Row:
        copy = row.get("path")
        if SAMPLE in row:
            return self._packed(row[SAMPLE])
        if not copy:
            return self.inputs.use(row, self._decode)
        if copy.endswith(ARRAY):
            return self._packed(picture(np.load(copy), self.spec, str(row["video_id"]), self.meter))
        return self._decode({**row, "uri": copy, "start_s": 0.0, "duration_s": 0.0})

    def _decode(self, row: Row) -> Row:
        uri, start, duration, seed = row["uri"], row["start_s"], row["duration_s"], str(row["video_id"])
        sample = self.decoder.decode(str(uri), float(start), float(duration), self.spec, seed, self.meter)
        if sample.key.shape[0] == 0:
            raise Failure("decode", f"{uri}: no frame could be decoded")
        return self._packed(sample)

    def directly(self, row: Row, options: EncodeOptions) -> Row | None:
        """The columns of a row's window in the common form; None where a copy of it might be read otherwise.

        Raises:
            Failure: As `actors.media.window.Window.open` and `actors.media.ffmpeg.read_frames`.
        """
        seed, spec = str(row["video_id"]), self.spec

        def work(local: Row) -> Row:
            uri, start, duration = str(local["uri"]), float(local["start_s"]), float(local["duration_s"])
            window = Window.open(uri, start, duration, False, options)
            clip = self._passing(window)
            if clip is None:
                return {}
            node = graph.output(window.stream(still=False), "pipe:1", f="rawvideo", pix_fmt="rgb24")
            sample = streamed(node, clip, uri, spec, seed, self.meter, options.timeout_s)
            return {} if sample is None else self._packed(sample)

        return self.inputs.use(row, work) or None

    def looking(self, window: Window, row: Row, samples: list[Sample | None]) -> Look | None:
        """What reads the frames of a copy of a window while another part of FFmpeg measures it; None where they are read later.

        Args:
            window: The window.
            row: Of the copy.
            samples: Is given the sample, or None where the copy has not the frames of its window.
        """
        clip = self._passing(window)
        if clip is None or row["still"]:
            return None
        seed, timeout_s = str(row["video_id"]), window.options.timeout_s

        def look(node: Any) -> str:
            log: list[str] = []
            samples.append(streamed(node, clip, window.source, self.spec, seed, self.meter, timeout_s, log))
            return log[0]

        return look

    def _passing(self, window: Window) -> Clip | None:
        """The frames of a window if they are read as they pass, without a file that is opened again."""
        clip = Clip(window.frames, window.height, window.width, float(window.rate))
        few = _FEWEST <= clip.frames <= _MOST and clip.fps >= _SLOWEST
        return clip if few and not self.spec.views else None

    def _packed(self, sample: Sample) -> Row:
        return {**pack(sample), "width": sample.width, "height": sample.height, **self._indicators()}

    def _indicators(self) -> Row:
        """One column for each indicator; NaN before the first decode."""
        return dict(zip(INDICATORS, self.meter.result().tolist(), strict=True)) if self.meter is not None else {}
