"""The paths of all files of a run. No other module knows their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Self

from pipeline.console import UserError
from trainers.bucket import BucketPath
from trainers.places import Place, node_folder, place

_SAFE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


def default_root(name: str) -> Path:
    """Return the run folder that is used without `--out`."""
    return Path("runs") / name


def _part(name: str) -> str:
    """Return `name` if it is a safe file name, so that a name from a user's file cannot lead out of the run folder."""
    if not _SAFE.match(name):
        raise ValueError(f"{name!r} cannot be the name of a file of a run")
    return name


def _teacher_part(teacher: str) -> str:
    """A file name for a teacher; the name of a teacher outside the table has a colon and may contain a path."""
    plain = teacher.replace(":", "-")
    if ":" not in teacher or _SAFE.match(plain):
        return _part(plain)
    end = re.sub(r"[^A-Za-z0-9]+", "-", plain)[-48:].strip("-")
    return _part(f"{end}-{sha256(teacher.encode()).hexdigest()[:8]}")


def settings_mark(observed: Place) -> Place:
    """The file in a folder of table `Observed` that holds the fingerprint of the look's settings."""
    return observed / ".settings"


@dataclass(frozen=True)
class RunLayout:
    """The paths of one run folder.

    A look at many videos stores its shards under its name: `POOL`, `CANDIDATES`, `BENCHMARK`, or `copies_look(k)`.
    """

    POOL: ClassVar[str] = "pool"
    CANDIDATES: ClassVar[str] = "candidates"
    BENCHMARK: ClassVar[str] = "benchmark"
    root: Place

    @staticmethod
    def copies_look(number: int) -> str:
        """Name of the look at the distorted copies of round `number`."""
        return f"distorted-{number}"

    @classmethod
    def at(cls, folder: str | Place) -> Self:
        """Return the layout of a folder or of a prefix in a bucket that the user named.

        Raises:
            UserError: It is of another kind of store, a bucket without a prefix, or a file.
        """
        root = place(folder)
        if isinstance(root, BucketPath):
            if not root.key:
                raise UserError(f"--out {folder}: a run has a prefix of its own in a bucket, such as {folder}/my-run")
            return cls(root)
        if "://" in str(folder):
            raise UserError(
                f"--out {folder}: a run folder is on a disk, or at s3://bucket/prefix or gs://bucket/prefix"
            )
        root = root.expanduser()
        if root.exists() and not root.is_dir():
            raise UserError(f"--out {folder}: this is a file; name a folder")
        return cls(root.resolve())

    @property
    def disk(self) -> Path:
        """The run folder or, for a run in a bucket, a folder on the disk of whichever node asks, for what need not last."""
        return node_folder(self.root)

    def on_disk(self, what: str) -> None:
        """Refuse a bucket to work that makes files of which every node sees all.

        Raises:
            UserError: The run folder is in a bucket.
        """
        if isinstance(self.root, BucketPath):
            raise UserError(f"{self.root}: {what} needs a run folder on a disk; name one with --out")

    @property
    def config(self) -> Place:
        """The whole configuration, YAML."""
        return self.root / "config.yaml"

    @property
    def report_html(self) -> Place:
        """The report for reading."""
        return self.root / "report.html"

    @property
    def report_json(self) -> Place:
        """The report's data."""
        return self.root / "report.json"

    @property
    def thumbnails(self) -> Place:
        """Folder of the small clips and pictures of the report, named by what they are made of."""
        return self.root / "thumbnails"

    def thumbnail(self, key: str, ending: str) -> Place:
        """One of them."""
        return self.thumbnails / f"{_part(key)}.{_part(ending)}"

    @property
    def quarantine(self) -> Place:
        """Table `Quarantine`."""
        return self.root / "quarantine.parquet"

    @property
    def manifests(self) -> Place:
        """Folder of the committed steps."""
        return self.root / "manifests"

    def manifest(self, step: str) -> Place:
        """The manifest of one step."""
        return self.manifests / f"{_part(step)}.json"

    def started(self, step: str) -> Place:
        """The mark of a step that has started but not committed."""
        return self.manifests / f".{_part(step)}.started"

    @property
    def digests(self) -> Place:
        """JSON: digests that were computed before, with the state of the files that they are of."""
        return self.manifests / ".digests"

    def unfinished_steps(self) -> list[str]:
        """Names of the steps that have started but not committed."""
        names = (path.name.removeprefix(".").removesuffix(".started") for path in self.manifests.glob(".*.started"))
        return sorted(name for name in names if not self.manifest(name).is_file())

    def observed_by(self, step: str) -> Place:
        """Folder of table `Observed` of the look that a step makes; for other steps the folder does not exist."""
        copies = re.fullmatch(r"distort-(\d+)", step)
        looks = {"score": self.POOL, "measure": self.CANDIDATES, "benchmark": self.BENCHMARK}
        return self.observed(self.copies_look(int(copies[1])) if copies else looks.get(step, step))

    @property
    def lock(self) -> Place:
        """The lock file, which names the process that uses this folder."""
        return self.root / ".lock"

    @property
    def videos(self) -> Place:
        """Table `Video`."""
        return self.root / "videos.parquet"

    @property
    def candidates(self) -> Place:
        """Table `Video` of all windows from which shaping chooses; exists only if shaping is on."""
        return self.root / "candidates.parquet"

    @property
    def indicators(self) -> Place:
        """Table `Indicators` of the pool, or of the candidates if shaping is on."""
        return self.root / "indicators.parquet"

    @property
    def shaping(self) -> Place:
        """JSON: histograms of every indicator before and after the choice, and the target."""
        return self.root / "shaping.json"

    def indicator_shards(self, look: str) -> Place:
        """Folder of shards of table `Indicators` from one look at many videos."""
        return self.root / "observed" / f"{_part(look)}-indicators"

    def scores(self, teacher: str) -> Place:
        """Folder of shards of table `TeacherScore`."""
        return self.root / "scores" / _teacher_part(teacher)

    @property
    def ensemble(self) -> Place:
        """Table `EnsembleScore`."""
        return self.root / "ensemble.parquet"

    @property
    def calibration(self) -> Place:
        """JSON: logistic parameters and curve of every teacher."""
        return self.root / "calibration.json"

    @property
    def features(self) -> Place:
        """Folder of all features for training, with one folder of shards for each look."""
        return self.root / "features"

    def features_of(self, look: str) -> Place:
        """Folder of shards of table `Feature` from one look at many videos."""
        return self.features / _part(look)

    def observed(self, look: str) -> Place:
        """Folder of shards of table `Observed` from one look at many videos."""
        return self.root / "observed" / _part(look)

    def benchmark(self, suite: str) -> Place:
        """Table `BenchmarkItem` of one suite."""
        return self.root / "benchmarks" / f"{_part(suite)}.parquet"

    @property
    def benchmark_features(self) -> Place:
        """Folder of shards of table `Feature` of all benchmark copies; outside `features`, which training reads."""
        return self.root / "benchmarks" / "features"

    def benchmark_scores(self, teacher: str) -> Place:
        """Folder of shards of table `TeacherScore` of all benchmark copies."""
        return self.root / "benchmarks" / "scores" / _teacher_part(teacher)

    @property
    def benchmark_teachers(self) -> Place:
        """JSON: figures of every teacher on every suite."""
        return self.root / "benchmarks" / "teachers.json"

    @property
    def benchmark_clips(self) -> Path:
        """Folder of the distorted copies of the proxy benchmarks."""
        return self.disk / "benchmarks" / "clips"

    @property
    def corpus(self) -> Place:
        """Folder of the clips that the run renders."""
        return self.root / "corpus"

    @property
    def scratch(self) -> Place:
        """Folder for files that a finished run no longer needs, such as checkpoints."""
        return self.root / "scratch"

    @property
    def downloads(self) -> Path:
        """Folder of downloaded objects of buckets, which the nodes keep during the run."""
        return self.disk / "scratch" / "downloads"

    @property
    def train_storage(self) -> Place:
        """Where trainings keep their checkpoints, and Ray Train its state."""
        return self.scratch / "train"

    def train_name(self, number: int, identity: str) -> str:
        """Name of the training of round `number` below `train_storage`; each identity has its own."""
        return f"round-{number}-{identity[:8]}"

    def train_folders(self, number: int) -> list[Place]:
        """Folders of the trainings of round `number` below `train_storage`."""
        return [path for path in self.train_storage.glob(f"round-{number}-*") if path.is_dir()]

    @property
    def sweep_pairs(self) -> tuple[Place, Place]:
        """Tables `Pair` of a sweep: the training pairs of every trial, and the held-out pairs."""
        return self.sweep / "pairs.parquet", self.sweep / "held-out.parquet"

    @property
    def sweep(self) -> Place:
        """Folder of the students and the pairs of a sweep."""
        return self.root / "sweep"

    @property
    def sweep_json(self) -> Place:
        """JSON: the figures of every trial of a sweep."""
        return self.root / "sweep.json"

    @property
    def sweep_csv(self) -> Place:
        """CSV: the same figures."""
        return self.root / "sweep.csv"

    @property
    def sweep_html(self) -> Place:
        """A page with the same figures as bars."""
        return self.root / "sweep.html"

    def study(self, ending: str) -> Place:
        """The results of a study whose runs lie below this folder: `json`, `md` or `html`."""
        return self.root / f"study.{_part(ending)}"

    def round(self, number: int) -> Place:
        """Folder of one round, counted from 1."""
        if number < 1:
            raise ValueError(f"rounds count from 1, not {number}")
        return self.root / f"round-{number}"

    def pairs(self, number: int) -> Place:
        """Table `Pair`: all training pairs of round `number`."""
        return self.round(number) / "pairs.parquet"

    def distorted(self, number: int) -> Place:
        """Table `Distorted` of the copies made in round `number`."""
        return self.round(number) / "distorted.parquet"

    def distorted_clips(self, number: int) -> Path:
        """Folder of the copies that table `Distorted` lists."""
        return self.disk / self.round(number).name / "distorted"

    def student(self, number: int) -> Place:
        """Folder of the student trained in round `number`."""
        return self.round(number) / "student"

    def student_scores(self, number: int) -> Place:
        """Table `StudentScore` of the student of round `number`."""
        return self.round(number) / "scores.parquet"

    def preferences(self, number: int) -> Place:
        """Table `Preference` of the student of round `number`."""
        return self.round(number) / "preferences.parquet"

    def mined(self, number: int) -> Place:
        """Table `Mined`: the hard pairs for the student of round `number`."""
        return self.round(number) / "mined.parquet"

    def mined_answers(self, number: int) -> Place:
        """Table `Preference`: what the student of round `number` says of the synthetic pairs that it misjudges."""
        return self.round(number) / "mined-answers.parquet"

    def decision(self, number: int) -> Place:
        """JSON: whether another round than `number` would teach anything, and why."""
        return self.round(number) / "decision.json"

    def training(self, number: int) -> Place:
        """JSON: the report of the training of round `number`."""
        return self.round(number) / "training.json"

    def metrics(self, number: int) -> Place:
        """JSON: losses, benchmark figures and label counts of round `number`."""
        return self.round(number) / "metrics.json"

    def benchmark_student_scores(self, number: int) -> Place:
        """Table `StudentScore` of all benchmark copies, by the student of round `number`."""
        return self.round(number) / "benchmark-scores.parquet"

    def rounds(self) -> list[int]:
        """The rounds that have a folder, ascending."""
        matches = [re.fullmatch(r"round-([1-9]\d*)", path.name) for path in self.root.glob("round-*") if path.is_dir()]
        return sorted(int(match[1]) for match in matches if match)
