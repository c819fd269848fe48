"""The chain of actor pools that a look sends its videos through."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from actors.media.downloads import Keep
from actors.sample import Sampler
from actors.score import BatchedTeacherScorer, DropSample, StudentEncoder, TeacherScorer
from actors.teachers import is_network, teacher_class, views_of
from cluster.pools import Pool
from pipeline.look.look import Look, encode_options, packs, sample_spec
from pipeline.settings.config import Config
from pipeline.settings.sections import ScorePoolConfig
from trainers.student.table import student_row

_NETWORK_GIB = 2.2  # resident besides the weights: torch, one video's views, activations of the largest network
_MAKING, _DECODING = 5.0, 1.0  # cost of a copy and of a decode, on the same scale
_NETWORK_WEIGHT = 5.0  # cost of a published network; a teacher without weights costs 1 (`cluster.pools.Pool`)


def weights_folder(config: Config) -> str:
    """The folder of released weights, as an absolute path because workers run in other folders."""
    return str(Path(config.run.weights).expanduser().absolute())


def downloads(config: Config, folder: Path | None) -> Keep | None:
    """Where, and how many, downloaded objects of buckets are kept, by configuration; None to keep none."""
    return Keep(str(folder), int(config.run.downloads_gib * 2**30)) if folder is not None else None


def pools(config: Config, look: Look) -> list[Pool]:
    """The chain of actor pools: make and decode, teachers, student's encoder."""
    sampling = {
        "spec": sample_spec(config, look),
        "options": encode_options(config),
        "measure_vmaf": look.vmaf,
        "second_label": look.second_label,
        "keep": str(look.clips) if look.clips is not None else None,
        "measure": look.indicators is not None,
        "timeout_s": config.pools.score.timeout_s,
        "downloads": downloads(config, look.downloads),
    }
    chain = [Pool(Sampler, sampling, weight=_DECODING if look.bare else _MAKING + _DECODING)]
    later = student_row(config.student.name).views if look.features is not None else ()
    chain += score_pools(list(look.scores), weights_folder(config), config.pools.score, later)
    if look.features is not None:
        options = {"student": config.student.name, "options": dict(config.student.options)}
        if packs(config):
            options["folder"] = str(look.features)
        return [*chain, Pool(StudentEncoder, options, gpus=config.pools.encode.gpus, weight=2.0)]
    return [*chain, Pool(DropSample, weight=0.1)]


def score_pools(names: Sequence[str], weights: str, how: ScorePoolConfig, later: Collection[str] = ()) -> list[Pool]:
    """The pools of the named teachers.

    On GPUs each teacher has its own pool, so that a GPU holds only one network, and a network scores several videos per call.
    On CPUs one pool holds all teachers, and an actor takes a video through all of them in one thread. That keeps all CPUs busy
    to the end, whereas in a chain of pools the slowest delays the others, and scores do not depend on the number of threads.

    Args:
        names: Names of the teachers.
        weights: Folder of released weights.
        how: GPUs of each actor, and videos per call.
        later: Views that are needed after these pools. Others leave the rows with the last pool that is shown them, so
            that they do not go from node to node any more.
    """
    shares = {name: how.share_of(name) for name in names}
    pools = [([name], share) for name, share in shares.items() if share]
    on_cpus = [name for name, share in shares.items() if not share]
    pools += [(on_cpus, 0.0)] if on_cpus else []
    return [
        Pool(
            BatchedTeacherScorer if gpus and how.batch > 1 else TeacherScorer,
            {"names": group, "weights": weights, "last": _last([names for names, _ in pools[k:]], later)},
            gpus=gpus,
            weight=sum(_NETWORK_WEIGHT if is_network(name) else 1.0 for name in group),
            batch=how.batch if gpus else 1,
            memory_gib=0.0 if gpus else _networks_gib(group),
        )
        for k, (group, gpus) in enumerate(pools)
    ]


def _last(groups: Sequence[Sequence[str]], later: Collection[str]) -> list[str]:
    """The views of the first group of teachers that neither the other groups need nor anybody later."""
    needed = {*views_of(name for group in groups[1:] for name in group), *later}
    return [view for view in views_of(groups[0]) if view not in needed]


def _networks_gib(names: Sequence[str]) -> float:
    """Memory of an actor with the named teachers, GiB: float32 weights of the published networks, and working memory."""
    parameters = sum(teacher_class(name).parameters for name in names if is_network(name))
    return 4 * parameters / 2**30 + _NETWORK_GIB if parameters else 0.0
