"""The configuration of a run: one tree of frozen, validated objects, built from a preset, a file and `--set a.b=c`.

Later sources win: preset, then file, then named flags, then `--set`. The keys of an ablation stand just before the source
that names it, so that what is given beside its name wins. Lists that are "per round" repeat their last
entry, so that `--stages 5` needs no other change. The whole tree is written into the run folder; the fingerprint of a
part of it is what a step is committed under.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError, field_validator, model_validator

from actors.media.inputs import masked
from actors.media.outcome import Failure
from actors.networks.files import digest
from actors.teachers import load_teacher
from pipeline.settings.ablations import ABLATIONS, keys_of
from pipeline.settings.presets import PRESETS
from pipeline.settings.sections import (
    SECOND,
    SEEN,
    BenchmarkConfig,
    CorpusConfig,
    Count,
    DistortConfig,
    ErrorsConfig,
    MiningConfig,
    PairsConfig,
    PoolsConfig,
    RunConfig,
    ScoringConfig,
    ShapingConfig,
    StoppingConfig,
    StudentConfig,
    TeachersConfig,
    all_known,
    nearest,
)
from pipeline.settings.trees import (
    ConfigError,
    dotted,
    given_tree,
    merge,
    put,
    read_file,
    teacher_names,
    without_others_options,
)
from trainers.places import Place, place
from trainers.settings import WHOLE, Part, Positive, TrainingSettings
from trainers.student.table import student_row

T = TypeVar("T")


class Config(Part):
    """Everything that decides a run."""

    LATER: ClassVar[tuple[str, ...]] = ("ablation", "counts", "stopping")
    preset: str
    # pairs, copies and hard pairs of each round: as pairs, distort and mining say, or the published numbers scaled to the corpus
    counts: Literal["keys", "published"] = "keys"
    ablation: str | None = None  # a row of `pipeline.settings.ablations`, whose keys are set
    seed: Count = 0
    stages: Positive = 3
    corpus: CorpusConfig = CorpusConfig()
    shaping: ShapingConfig = ShapingConfig()
    teachers: TeachersConfig = TeachersConfig()
    distort: DistortConfig = DistortConfig()
    pairs: PairsConfig = PairsConfig()
    mining: MiningConfig = MiningConfig()
    stopping: StoppingConfig = StoppingConfig()
    student: StudentConfig = StudentConfig()
    training: TrainingSettings = TrainingSettings()
    scoring: ScoringConfig = ScoringConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
    pools: PoolsConfig = PoolsConfig()
    errors: ErrorsConfig = ErrorsConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="before")
    @classmethod
    def _automatic(cls, tree: Any) -> Any:
        """Read `stages: auto` or `auto:N`, the most rounds."""
        match = re.fullmatch(r"auto(?::([1-9][0-9]*))?", str(tree.get("stages"))) if isinstance(tree, dict) else None
        if match is None:
            return tree
        most = {"stages": int(match[1])} if match[1] else {}
        rest = {name: value for name, value in tree.items() if name != "stages"}
        stopping = rest.get("stopping", {})
        return {**rest, **most, "stopping": {**stopping, "auto": True} if isinstance(stopping, Mapping) else stopping}

    @field_validator("ablation")
    @classmethod
    def _known_row(cls, name: str | None) -> str | None:
        return name if name is None else all_known((name,), tuple(ABLATIONS))[0]

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if not self.distort.enabled and not any(self.pairs.homogeneous):
            raise ValueError("no distortion is switched on and pairs.homogeneous is 0: there is no pair to train on")
        return self

    @model_validator(mode="after")
    def _weights_of_known_types(self) -> Self:
        try:  # the training itself knows no table of distortions
            all_known(tuple(self.training.type_weights), SEEN + SECOND)
        except ValueError as error:
            raise ValueError(f"training.type_weights: {error}") from None
        return self

    @model_validator(mode="after")
    def _unseen_is_unseen(self) -> Self:
        trained = [name for name in self.benchmark.unseen if name in self.distort.enabled]
        if trained:
            raise ValueError(
                f"{trained[0]} is trained on (distort.types) and cannot be in benchmark.unseen; take it out of one of them"
            )
        return self

    def name(self) -> str:
        """Return the name of the default run folder.

        The number of stages and what changes no result are left out of it, so that `--stages 3` goes on from what
        `--stages 2` has finished. So is the name of an ablation, whose keys are in the tree.
        """
        tree = self.model_dump(mode="json", exclude={"ablation", "stages", "stopping", "pools", "errors", "run"})
        parts = [self.preset]
        if self.corpus.videos is not None:
            stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.corpus.videos.rstrip("/")).stem).strip("-").lower()
            parts.append(stem[:32].rstrip("-") or "videos")
        return "-".join([*parts, fingerprint(tree)[:8]])

    def to_yaml(self) -> str:
        """Return the whole tree as YAML that `load(file=...)` accepts."""
        text: str = yaml.safe_dump(
            self.model_dump(mode="json", context=WHOLE), sort_keys=False, allow_unicode=True, width=120
        )
        return text


def per_round(values: Sequence[T], round_number: int) -> T:
    """Return the entry of round `round_number` (1-based); the last entry stands for all later rounds."""
    if round_number < 1:
        raise ValueError(f"rounds count from 1, not {round_number}")
    return values[min(round_number, len(values)) - 1]


def fingerprint(value: object) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of `value` as canonical JSON (sorted keys, no spaces).

    Raises:
        TypeError: `value` holds something that JSON cannot; paths must be given as digests.
        ValueError: `value` holds a number that is not finite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_jsonable)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _jsonable(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def load(
    preset: str | None = None, file: str | Place | None = None, overrides: Sequence[str] = (), **flags: object
) -> Config:
    """Build the configuration.

    Args:
        preset: Name of a preset. Default: the file's `preset`, else `local` where videos are given, else `demo`.
        file: YAML or JSON file with any part of the tree.
        overrides: Entries `a.b=c`; values are read as YAML.
        flags: Named flags of the command line: `seed`, `stages`, `videos`, `limit`; None means not given.

    Raises:
        ConfigError: Unknown preset or key, unreadable file, or a value out of its range; one line.
    """
    written = read_file(place(file)) if file is not None else {}
    given = given_tree(overrides, flags)
    tree = merge(written, given)
    has_videos = isinstance(tree.get("corpus"), dict) and tree["corpus"].get("videos") is not None
    named = tree.get("preset")
    name = preset or (str(named) if named is not None else None) or ("local" if has_videos else "demo")
    if name not in PRESETS:
        raise ConfigError(f"no preset is named {name!r}; presets of this version: {', '.join(PRESETS)}")
    if name in ("local", "paper", "paper-printed") and not has_videos:
        instead = "demo" if name == "local" else "paper-shrunk"
        raise ConfigError(
            f"preset {name} works on your own videos: name them with --videos PATH, or use --preset {instead}"
        )
    sources = [written, given]
    ablation, teachers = tree.get("ablation"), teacher_names(merge(PRESETS[name], tree))
    # what is no name of a row or no list of teachers has no keys, and is refused below
    if isinstance(ablation, str) and ablation in ABLATIONS and teachers:
        sources.insert(sources.index(given) if "ablation" in given else 0, ablation_tree(ablation, teachers))
    # what a run wrote is all of it: a preset of another version adds nothing
    merged: dict[str, Any] = {} if written.keys() >= Config.model_fields.keys() - {*Config.LATER} else PRESETS[name]
    for source in sources:
        merged = merge(without_others_options(merged, source), source)
    try:
        return Config.model_validate({**merged, "preset": name})
    except ValidationError as error:
        raise ConfigError(_first_problem(error)) from None


def ablation_tree(name: str, teachers: Sequence[str]) -> dict[str, Any]:
    """The keys of an ablation as a tree; see `pipeline.settings.ablations.keys_of`."""
    tree: dict[str, Any] = {}
    for key, value in keys_of(name, teachers).items():
        put(tree, key, value)
    return tree


def values_of(config: Config) -> dict[str, Any]:
    """The value of every dotted key, groups of keys as well, as JSON has it."""
    return dotted(config.model_dump(mode="json", context=WHOLE))


def ablation_keys(config: Config) -> list[str]:
    """What the ablation of a run has set, as `a.b=c`; with a remark where a value beside it won."""
    if config.ablation is None:
        return []
    said, values = [], values_of(config)
    for key, value in keys_of(config.ablation, config.teachers.names).items():
        one = values[key]
        said.append(
            f"{key}={_short(value)}" if one == value else f"{key}={_short(one)} (given in place of {_short(value)})"
        )
    return said


def _short(value: object) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value)


def check_weights(config: Config) -> None:
    """Refuse a student or a teacher without weights before anything is done for it (`plan` needs none).

    Raises:
        ConfigError: No checkpoint is named, its folder holds none, or a teacher's file is not there.
    """
    options = config.student.options
    if student_row(config.student.name).parse(options).lacks_weights:
        raise ConfigError(
            f"preset {config.preset}: the student {config.student.name} needs the folder of a checkpoint: "
            "--set student.options.checkpoint=FOLDER, or use --preset paper-shrunk, which needs none"
        )
    checkpoint = options.get("checkpoint")
    if checkpoint is not None and not (Path(checkpoint) / "config.json").is_file():
        raise ConfigError(
            f"student.options.checkpoint: {checkpoint} holds no config.json; name the folder of a checkpoint"
        )
    try:
        for teacher in config.teachers.names:
            load_teacher(teacher, config.run.weights).require()
    except Failure as failure:
        raise ConfigError(failure.message) from failure


def student_files(config: Config) -> dict[str, str]:
    """Digest of each file or folder that the student's weights come from, by its option; empty for a student that needs none.

    A plan needs no weights; a run checks them earlier (`check_weights`).
    """
    options = student_row(config.student.name).parse(config.student.options)
    named = {name: getattr(options, name) for name in sorted(options.sources)}
    paths = {name: Path(value) for name, value in named.items() if isinstance(value, str)}
    return {name: digest(path) if path.exists() else "no weights" for name, path in paths.items()}


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    # Pydantic puts the branch of a union into the place ("constrained-float"), which no user ever wrote.
    where = ".".join(str(part) for part in problem["loc"] if not re.match(r"constrained-|literal\[", str(part)))
    if problem["type"] == "extra_forbidden":
        keys = sorted(_keys(Config))
        return f"unknown key {where!r} in the configuration; {nearest(where, keys)}"
    said = problem["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    given = masked(problem["input"]) if isinstance(problem["input"], str) else problem["input"]
    value = f" (given: {given!r})" if isinstance(given, str | int | float | bool | None) else ""
    return f"configuration{f', {where}' if where else ''}: {said}{value}"


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """List every dotted key of the tree below `model`."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        dotted = f"{prefix}{field.alias or name}"
        kinds = (field.annotation, *get_args(field.annotation))
        parts = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        keys += _keys(parts[0], f"{dotted}.") if parts else [dotted]
        if parts:
            keys.append(dotted)
    return keys
