"""The first pools of a stream: make the distorted copy of a row, then decode it once."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.indicators import INDICATORS, Meter
from actors.media.decode import Decoder
from actors.media.downloads import Keep
from actors.media.inputs import Inputs
from actors.media.outcome import Failure
from actors.media.rows import Recipe, Row, attempt, empty_sample, format_recipe, fresh, pack, parse_recipe
from actors.media.views import SampleSpec
from actors.media.vmaf import vmaf
from actors.media.window import EncodeOptions

_MAX_BASES = 4  # intermediate files kept for the next rows, which often share the start of a recipe


class Synthesise:
    """Ray actor: apply a row's recipe with FFmpeg and, if requested, measure VMAF against the undistorted window.

    Takes the columns of `actors.media.rows`. Adds `path` (the distorted file; empty for a row without recipe) and
    `vmaf` (float, NaN if not measured). Rows that share all but the last step of a recipe reuse the intermediate file.

    Args:
        options: Encoder settings.
        folder: Folder of the run for the results.
        measure_vmaf: Measure VMAF.
        downloads: Where and how much of the objects of buckets is kept.
    """

    def __init__(
        self, options: EncodeOptions, folder: str, measure_vmaf: bool = False, downloads: Keep | None = None
    ) -> None:
        self.options = options
        self.folder = Path(folder)
        self.measure_vmaf = measure_vmaf
        self.folder.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix="bases-", dir=self.folder))
        self.bases: OrderedDict[tuple[str, str], Path] = OrderedDict()
        self.inputs = Inputs(downloads)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return attempt(fresh(row), lambda: self._copy(row), {"path": "", "vmaf": float("nan")})

    def _copy(self, row: Row) -> Row:
        return self.inputs.use(row, self._make) if row["recipe"] else {"path": "", "vmaf": float("nan")}

    def _make(self, row: Row) -> Row:
        *before, (name, level, seed) = parse_recipe(row["recipe"])
        still = bool(row["still"])
        suffix = "png" if still else "mkv"
        destination = self.folder / f"{row['video_id']}.{suffix}"
        source, start, duration = self._base(row, before)
        apply(name, level, source, start, duration, destination, seed, still, self.options)
        quality = float("nan")
        if self.measure_vmaf:
            reference = self._base(row, [(PRISTINE, 0, 0)])[0]
            quality = vmaf(reference, destination, self.options.threads)
        return {"path": str(destination), "vmaf": quality}

    def _base(self, row: Row, steps: Recipe) -> tuple[str, float, float]:
        """File and window for the last step of the recipe; makes the file and keeps it for the next rows, if necessary."""
        source, start, duration = str(row["uri"]), float(row["start_s"]), float(row["duration_s"])
        if not steps:
            return source, start, duration
        window = f"{source}@{start}+{duration}"
        key = (window, format_recipe(steps))
        if key in self.bases:
            self.bases.move_to_end(key)
            return str(self.bases[key]), 0.0, 0.0
        if steps[:-1]:
            source, start, duration = self._base(row, steps[:-1])
        path = Path(tempfile.mkstemp(suffix=".mkv", dir=self.scratch)[1])
        name, level, seed = steps[-1]
        apply(name, level, source, start, duration, path, seed, False, self.options)
        self.bases[key] = path
        while len(self.bases) > _MAX_BASES:
            self.bases.popitem(last=False)[1].unlink(missing_ok=True)
        return str(path), 0.0, 0.0

    def __del__(self) -> None:
        if hasattr(self, "scratch"):
            shutil.rmtree(self.scratch, ignore_errors=True)


class Decode:
    """Ray actor: decode a row's window (or its distorted copy) once into a packed `actors.media.views.Sample`.

    Adds the columns of `actors.media.rows.SAMPLE_COLUMNS`, `width` and `height` (pixels), and with `measure` the columns
    of `actors.indicators.INDICATORS`, measured in the same pass.

    Args:
        spec: What to keep of each window.
        keep: Keep the distorted file; otherwise it is deleted, since its recipe can make it again.
        measure: Measure the indicators.
        timeout_s: Limit of one decode, seconds.
        downloads: Where and how much of the objects of buckets is kept.
    """

    def __init__(
        self,
        spec: SampleSpec,
        keep: bool = False,
        measure: bool = False,
        timeout_s: float = 120.0,
        downloads: Keep | None = None,
    ) -> None:
        self.spec = spec
        self.keep = keep
        self.decoder = Decoder(timeout_s=timeout_s)
        self.inputs = Inputs(downloads)
        self.meter = Meter() if measure else None
        self.failure_columns: Row = {**empty_sample(), "width": 0, "height": 0, **self._indicators()}

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        row = row if "status" in row else fresh(row)
        result = attempt(row, lambda: self._sample(row), self.failure_columns)
        if row.get("path") and not self.keep:
            with contextlib.suppress(OSError):
                Path(row["path"]).unlink(missing_ok=True)
        return result

    def _sample(self, row: Row) -> Row:
        copy = row.get("path")
        if copy:
            return self._decode({**row, "uri": copy, "start_s": 0.0, "duration_s": 0.0})
        return self.inputs.use(row, self._decode)

    def _decode(self, row: Row) -> Row:
        uri, start, duration, seed = row["uri"], row["start_s"], row["duration_s"], str(row["video_id"])
        sample = self.decoder.decode(str(uri), float(start), float(duration), self.spec, seed, self.meter)
        if sample.key.shape[0] == 0:
            raise Failure("decode", f"{uri}: no frame could be decoded")
        return {**pack(sample), "width": sample.width, "height": sample.height, **self._indicators()}

    def _indicators(self) -> Row:
        """One column for each indicator; NaN before the first decode."""
        return dict(zip(INDICATORS, self.meter.result().tolist(), strict=True)) if self.meter is not None else {}
