"""The few numbers of a corpus from which the cost of a run follows: counted in its table, or expected before ingest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from actors.distortions.table import PRISTINE, suite
from pipeline.corpus.members import HELDOUT, TRAIN
from pipeline.corpus.rules import heldout_count, round_sizes
from pipeline.corpus.windows import windows
from pipeline.run_folder.records import OK, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import read_table
from pipeline.settings.config import Config
from pipeline.settings.sections import CorpusConfig

WHOLE_FILE_S = 10.0  # assumed length if windows are whole files
AREA, FRAME_RATE = 960 * 540, 30.0  # the picture for which rates are given
_STEPS = re.compile(r'\["(\w+)",')


@dataclass(frozen=True)
class Typical:
    """A typical file of the corpus.

    Attributes:
        seconds: Length; 0 if it is not known.
        width: Pixels, as stored.
        height: Pixels.
        fps: Frames per second.
        bytes: Size.
    """

    seconds: float = 0.0
    width: float = 960.0
    height: float = 540.0
    fps: float = FRAME_RATE
    bytes: float = 0.0


@dataclass(frozen=True)
class CorpusFacts:
    """Counts and means of a corpus.

    Attributes:
        files: Input files.
        candidates: Training windows before shaping.
        members: Round -> pool videos that enter in it: windows and their degraded copies.
        made: Round -> simulator -> how often the recipes of these videos name it; `pristine` is the common form alone.
        heldout: Held-out windows of which the benchmarks are made.
        seconds: Mean length of a window.
        area: Mean size of a decoded picture, relative to 960x540.
        rate: Mean frame rate of a decoded window, relative to 30 per second.
        file_bytes: Mean size of a file.
    """

    files: int
    candidates: int
    members: Mapping[int, int]
    made: Mapping[int, Mapping[str, float]]
    heldout: int
    seconds: float
    area: float
    rate: float
    file_bytes: float

    @property
    def pool(self) -> int:
        """Videos of the pool, of all rounds."""
        return sum(self.members.values())

    @property
    def clip(self) -> float:
        """Work of one window, in seconds of a window of 960x540 at 30 frames per second."""
        return self.seconds * self.area * self.rate


def corpus_facts(run: Run) -> CorpusFacts:
    """The facts of a run's corpus; found once, from the table that ingest and shaping have written.

    Raises:
        FileNotFoundError: The table is not there yet, and nobody has said what to expect (`expected`).
    """
    return run.once("corpus facts", lambda: counted(run))


def counted(run: Run) -> CorpusFacts:
    """The facts of `videos.parquet`."""
    config, layout = run.config, run.layout
    table = read_table(layout.videos, VIDEOS)
    good = table.filter(pc.equal(table["status"], OK))
    train = good.filter(pc.equal(good["split"], TRAIN))
    candidates = train if config.shaping.keep is None else _candidates(run)
    rounds = Counter(train["round"].to_pylist())
    names = {number: _simulators(train.filter(pc.equal(train["round"], number))["recipe"]) for number in rounds}
    held = good.filter(pc.equal(good["split"], HELDOUT))
    each = Counter(held["content_id"].to_pylist()).values()
    width, height, fps = _mean(good, "width", 960), _mean(good, "height", 540), _mean(good, "fps", FRAME_RATE)
    picture = Typical(_mean(good, "duration_s", 0.0), width, height, fps, _mean(good, "bytes", 0.0))
    area, rate = shown(picture, config.corpus)
    return CorpusFacts(
        files=pc.count_distinct(table["uri"]).as_py(),
        candidates=candidates.filter(pc.equal(candidates["copy"], 0)).num_rows,
        members=dict(rounds),
        made=names,
        heldout=sum(min(count, config.benchmark.windows_per_clip) for count in each),
        seconds=picture.seconds or whole_file_s(config),
        area=area,
        rate=rate,
        file_bytes=picture.bytes,
    )


def _candidates(run: Run) -> pa.Table:
    table = read_table(run.layout.candidates, VIDEOS)
    return table.filter(pc.and_(pc.equal(table["status"], OK), pc.equal(table["split"], TRAIN)))


def _mean(table: pa.Table, column: str, otherwise: float) -> float:
    return float(pc.mean(table[column]).as_py() or otherwise)


def _simulators(recipes: pa.ChunkedArray) -> dict[str, float]:
    return dict(Counter(name for recipe in recipes.to_pylist() for name in _STEPS.findall(recipe)))


def shown(file: Typical, corpus: CorpusConfig) -> tuple[float, float]:
    """Area and frame rate of what is decoded of a file, relative to 960x540 and 30, by the limits of the configuration."""
    short = min(file.width, file.height)
    shrink = min(1.0, (corpus.max_short_side or short) / short)
    return file.width * file.height * shrink**2 / AREA, min(file.fps, corpus.max_fps or file.fps) / FRAME_RATE


def whole_file_s(config: Config) -> float:
    """Assumed length of a window that is a whole file."""
    return config.corpus.made_seconds if config.corpus.videos is None else WHOLE_FILE_S


def expected(config: Config, files: int, file: Typical) -> CorpusFacts:
    """The facts to expect of a corpus that has not been ingested: every file is usable, different and like `file`."""
    corpus = config.corpus
    if corpus.videos is None:
        size, fps = (corpus.made_width, corpus.made_height), corpus.made_fps
        file = Typical(corpus.made_seconds, *size, fps, file.bytes)
    length = file.seconds or max(corpus.window_s, 1.0) * (
        corpus.windows_per_clip + 1
    )  # long enough for all its windows
    cut = list(windows(length, corpus))
    held = heldout_count(files, corpus.heldout_share)
    candidates = (files - held) * len(cut)
    kept = candidates if config.shaping.keep is None else min(candidates, config.shaping.keep)
    new = round_sizes(kept)
    names = [row.name for row in suite("train")]
    each = 1.5 * corpus.degraded_copies / len(names)  # one or two simulators a copy, each pair as likely as any other
    area, rate = shown(file, corpus)
    return CorpusFacts(
        files=files,
        candidates=candidates,
        members={number: count * (1 + corpus.degraded_copies) for number, count in new.items()},
        made={
            number: {PRISTINE: count} | {name: count * each for name in names if each} for number, count in new.items()
        },
        heldout=held * min(len(cut), config.benchmark.windows_per_clip),
        seconds=cut[0][1] or (file.seconds or whole_file_s(config)),
        area=area,
        rate=rate,
        file_bytes=file.bytes,
    )
