"""Which distorted copies a round makes (CVPR 2026, appendix A.3): a rule of seeds and names, nothing is made here."""

from __future__ import annotations

from collections.abc import Iterator

from actors.distortions.table import DISTORTIONS, FAMILIES
from actors.media.rows import format_recipe, parse_recipe
from cluster.engine import Row
from pipeline.corpus.counts import counts_of
from pipeline.corpus.members import pool
from pipeline.corpus.rules import PRISTINE, short_id, shuffled
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import Config


def planned(config: Config, layout: RunLayout, number: int) -> list[Row]:
    """The copies of round `number`: for each family a seeded choice of sources, with every type at every level."""
    members = {row["video_id"]: row for row in pool(layout) if row["round"] == number}
    counts = counts_of(config, number, len(members)).sources
    rows: list[Row] = []
    for family in FAMILIES:
        types = [name for name in config.distort.enabled if DISTORTIONS[name].family == family]
        sources = shuffled(list(members), config.seed, f"{family}-sources-{number}")[: getattr(counts, family)]
        for source in sources:
            for name in types:
                rows += _levels(members[source], name, config)
    return rows


def _levels(source: Row, name: str, config: Config) -> Iterator[Row]:
    distortion = DISTORTIONS[name]
    still = distortion.family == "spatial" and config.distort.still_spatial
    # One seed for all levels, so that a higher level affects the same frames, only more.
    seed = int(short_id(config.seed, source["video_id"], name), 16) % 2**31
    # The common form is not a distortion: a copy of an undistorted window starts from the window itself.
    before = [step for step in parse_recipe(source["recipe"]) if step != PRISTINE]
    first = 0 if config.distort.include_pristine else 1
    for level in range(first, len(distortion.levels) + 1):
        yield {
            "video_id": short_id(source["video_id"], name, level),
            "source_id": source["video_id"],
            "uri": source["uri"],
            "start_s": source["start_s"],
            "duration_s": source["duration_s"],
            "recipe": format_recipe([*before, (name, level, seed)]),
            "distortion": name,
            "family": distortion.family,
            "level": level,
            "still": still,
            "seed": seed,
        }
