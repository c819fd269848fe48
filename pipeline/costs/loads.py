"""The work of each kind of step, in units of the rates, from the facts of the corpus and the configuration alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from actors.distortions.table import DISTORTIONS, FAMILIES, PRISTINE
from actors.teachers import is_network
from cluster.capacity import Bundle, least
from cluster.pools import Pool, Room, actor_counts, joined
from pipeline.corpus.counts import counts_of
from pipeline.corpus.facts import CorpusFacts
from pipeline.corpus.proxies import SUITES, spread
from pipeline.costs.large_student import is_large, tokens
from pipeline.costs.rates import make
from pipeline.look.chain import pools
from pipeline.look.look import Look, packs
from pipeline.run_folder.step import Load, Resources
from pipeline.settings.config import Config

MEMORY_GIB = {"Sampler": 0.45, "TeacherScorer": 0.25, "StudentEncoder": 0.30}  # resident, measured
LARGE_ENCODER_GIB = 0.60  # with torch
OTHER_GIB = 0.15
TRAINING_GIB = 1.5  # of each worker: torch, DeepSpeed and the features
EACH_SECOND = frozenset({"minimalistic_vii", "minimalistic_ix", "qalign"})  # networks that look at every second
_GIB = 2**30
_FIRST_LABEL = 0.46  # of the seconds that libvmaf takes for both models
# Bytes in the run folder, estimated: a row of a table, features of the small student, a video that the published one keeps whole.
ROW_BYTES, FEATURE_BYTES, VIDEO_BYTES_8S = 250, 21_000, 4.7e6


def look_resources(config: Config, look: Look, cpus: int) -> Resources:
    """Total resources of the actor pools of a look on `cpus` CPUs."""
    chain = joined(pools(config, look))
    counts = actor_counts(chain, Room(cpus))
    gpus = sum(pool.gpus * count for pool, count in zip(chain, counts, strict=True))
    held = {**MEMORY_GIB, "StudentEncoder": LARGE_ENCODER_GIB} if is_large(config) else MEMORY_GIB
    memory = sum(_memory_gib(pool, held) * count for pool, count in zip(chain, counts, strict=True))
    return Resources(sum(counts), gpus, memory)


def _memory_gib(pool: Pool, held: Mapping[str, float]) -> float:
    """What an actor of a pool holds; one of joined pools holds what the largest part does, and a little for each other one."""
    if pool.memory_gib:
        return pool.memory_gib
    parts = [held.get(getattr(part.work, "__name__", ""), OTHER_GIB) for part in pool.parts or (pool,)]
    return max(parts) + OTHER_GIB * (len(parts) - 1)


def look_needs(config: Config, look: Look) -> list[Bundle]:
    """What a look cannot work without."""
    return least(pools(config, look))


def ingest_load(facts: CorpusFacts, config: Config) -> Load:
    """The work of probing all files, and of rendering them if the run makes its own clips; Ray starts with it."""
    amounts = {"session": 1, "probe": facts.files, "scan": facts.files * facts.file_bytes / _GIB, "row": facts.files}
    if config.corpus.videos is None:
        amounts["render"] = facts.files * config.corpus.made_seconds
    read = facts.files * facts.file_bytes
    return Load(amounts, "pools", facts.files, read, _rows_bytes(facts.pool))


def _rows_bytes(rows: float) -> float:
    return rows * ROW_BYTES


def pool_load(facts: CorpusFacts, config: Config, look: Look) -> Load:
    """The work of the look at the pool: windows and their degraded copies."""
    steps: dict[str, float] = defaultdict(float)
    for names in facts.made.values():
        for name, count in names.items():
            steps[name] += count
    amounts = {make(name, config.distort.x265_preset): count * facts.clip for name, count in steps.items()}
    return _look_load(
        facts, config, look, amounts, moving=facts.pool, files=facts.files * (1 - config.corpus.heldout_share)
    )


def candidates_load(facts: CorpusFacts, config: Config, look: Look) -> Load:
    """The work of measuring the candidates of shaping."""
    return _look_load(facts, config, look, {}, moving=facts.candidates, files=facts.files)


def copies_of(facts: CorpusFacts, config: Config, number: int) -> dict[str, tuple[int, int]]:
    """Simulator -> (sources, copies of each) of the distorted copies of a round."""
    first = 0 if config.distort.include_pristine else 1
    members = facts.members.get(number, 0)
    counts = counts_of(config, number, members).sources
    return {
        name: (min(getattr(counts, family), members), len(DISTORTIONS[name].levels) + 1 - first)
        for family in FAMILIES
        for name in config.distort.enabled
        if DISTORTIONS[name].family == family
    }


def copies_load(facts: CorpusFacts, config: Config, look: Look, number: int) -> Load:
    """The work of making and encoding the distorted copies of a round."""
    amounts: dict[str, float] = defaultdict(float)
    moving, stills = 0.0, 0.0
    members = facts.members.get(number, 0)
    # A source may be a degraded copy: what was done to it is done once for all levels of a type.
    before = {
        name: count / members for name, count in facts.made.get(number, {}).items() if members and name != PRISTINE
    }
    for name, (sources, each) in copies_of(facts, config, number).items():
        still = DISTORTIONS[name].family == "spatial" and config.distort.still_spatial
        if still:
            stills += sources * each
            amounts["still"] += sources * each * facts.area
        else:
            moving += sources * each
            distorted = len(DISTORTIONS[name].levels)
            amounts[make(name, config.distort.x265_preset)] += sources * distorted * facts.clip
            amounts[make(PRISTINE, "")] += sources * (each - distorted) * facts.clip
        for step, share in before.items():
            amounts[make(step, config.distort.x265_preset)] += sources * share * facts.clip
    files = min(facts.files, sum(sources for sources, _ in copies_of(facts, config, number).values()))
    return _look_load(facts, config, look, amounts, moving=moving, stills=stills, files=files)


def benchmark_rows(facts: CorpusFacts, config: Config) -> int:
    """Copies of both suites."""
    return facts.heldout * sum(_suite_levels(config).values())


def _suite_levels(config: Config) -> Counter[str]:
    levels: Counter[str] = Counter()
    for one in SUITES:
        for name in getattr(config.benchmark, one):
            levels[name] += len(spread(len(DISTORTIONS[name].levels), config.benchmark.levels))
    return levels


def benchmark_load(facts: CorpusFacts, config: Config, look: Look) -> Load:
    """The work of making, measuring and scoring the copies of both suites."""
    amounts: dict[str, float] = defaultdict(float)
    for name, levels in _suite_levels(config).items():
        amounts[make(name, config.distort.x265_preset)] += facts.heldout * levels * facts.clip
    rows = benchmark_rows(facts, config)
    return _look_load(facts, config, look, amounts, moving=rows, files=min(facts.files, facts.heldout))


def _look_load(
    facts: CorpusFacts,
    config: Config,
    look: Look,
    making: Mapping[str, float],
    *,
    moving: float,
    stills: float = 0.0,
    files: float,
) -> Load:
    rows = moving + stills
    amounts: dict[str, float] = defaultdict(float, making)
    amounts["decode"] += moving * facts.clip
    amounts["decode still"] += stills * facts.area
    amounts["row"] += rows
    if look.indicators is not None:
        amounts["indicators"] += moving * facts.clip
    if look.vmaf:
        amounts["vmaf"] += moving * facts.clip * (1.0 if look.second_label else _FIRST_LABEL)
    if look.scores:
        for name in config.teachers.names:
            on = "gpu " if config.pools.score.share_of(name) else ""
            unit = (facts.seconds if name in EACH_SECOND else 1.0) if is_network(name) else facts.area
            amounts[f"{on}teacher {name}"] += rows * unit
    written = _rows_bytes(rows * (1 + len(look.scores)))
    if look.features is not None:
        on_gpu = bool(config.pools.encode.gpus)
        amounts["gpu encode" if on_gpu else "encode"] += rows * (facts.seconds if on_gpu else 1.0)
        written += rows * (VIDEO_BYTES_8S * facts.seconds / 8 if packs(config) else FEATURE_BYTES)
    return Load(dict(amounts), "pools", max(1.0, rows), files * facts.file_bytes, written)


def severity_pairs(facts: CorpusFacts, config: Config) -> int:
    """Severity pairs of round 1: two levels of one source and simulator."""
    counts = counts_of(config, 1, facts.members.get(1, 0)).synthetic
    made = copies_of(facts, config, 1)
    return sum(
        min(getattr(counts, family), sum(made[name][0] * made[name][1] * (made[name][1] - 1) // 2 for name in names))
        for family, names in _families(made).items()
    )


def _families(made: Mapping[str, object]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name in made:
        families[DISTORTIONS[name].family].append(name)
    return families


def training_load(config: Config, facts: CorpusFacts, pairs: float) -> Load:
    """The work of a training."""
    training = config.training
    seen = pairs * training.epochs
    if is_large(config):
        longer = tokens(facts.seconds) / tokens(8.0)
        return Load({"gpu pair": seen * longer, "worker": training.workers}, "train", training.workers)
    return Load({"pair": seen, "worker": training.workers}, "train", training.workers)


def compare_resources(config: Config) -> Resources:
    """Resources of the student's comparisons."""
    return Resources(gpus=config.pools.compare.gpus, memory_gib=OTHER_GIB)


def compare_needs(config: Config) -> list[Bundle]:
    """What the student's comparisons cannot work without."""
    return [{"GPU": config.pools.compare.gpus}] if config.pools.compare.gpus else []


def compare_load(config: Config, facts: CorpusFacts, videos: float, pairs: float = 0.0) -> Load:
    """The work of comparing videos with the anchors, and of pairs by themselves."""
    if is_large(config) and config.pools.compare.gpus:
        longer = facts.seconds / 8
        return Load(
            {"gpu compare": videos * longer, "gpu answer": pairs * longer, "step": 2}, "", max(1.0, videos + pairs)
        )
    return Load({"compare": videos + pairs, "step": 2}, "", 1)
