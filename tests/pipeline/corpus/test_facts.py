import pytest

from pipeline.corpus.facts import Typical, corpus_facts, counted, expected
from pipeline.corpus.windows import windows_of
from pipeline.run_folder.records import VIDEOS
from pipeline.run_folder.store import write_table
from pipeline.settings.config import load

FILE = Typical(seconds=12.0, width=1920, height=1080, fps=60.0, bytes=1e6)


def ingested(files):
    """Rows of usable files, all alike, as ingest's probing gives them."""
    facts = {"width": 1920, "height": 1080, "fps": 60.0, "codec": "h264", "bytes": 10**6, "duration_s": 12.0}
    plain = {"status": "ok", "error_kind": "", "error": "", **facts}
    return [{"video_id": f"f{k}", "uri": f"f{k}.mp4", "content_id": f"c{k}", **plain} for k in range(files)]


@pytest.fixture(params=["local", "three windows", "long windows", "paper"])
def config(request, tmp_path):
    more = {
        "local": ("local", ["corpus.degraded_copies=2"]),
        "three windows": (
            "local",
            ["corpus.windows_per_clip=5", "corpus.heldout_share=0.1", "benchmark.windows_per_clip=2"],
        ),
        "long windows": ("local", ["corpus.window_s=60"]),
        "paper": ("paper", []),
    }
    preset, settings = more[request.param]
    return load(preset, videos=str(tmp_path), overrides=settings)


def test_what_is_expected_is_what_ingest_makes_of_such_files(config, tables):
    rows = windows_of(ingested(400), config)
    write_table(tables.layout.videos, VIDEOS.table(rows), VIDEOS)
    found, awaited = counted(tables.run(config)), expected(config, 400, FILE)
    for name in ("files", "candidates", "members", "heldout", "area", "rate", "file_bytes"):
        assert getattr(found, name) == pytest.approx(getattr(awaited, name)), name
    if config.corpus.window_s < 12:
        assert found.seconds == pytest.approx(awaited.seconds)
    for number, names in awaited.made.items():
        total = sum(names.values())
        assert sum(found.made[number].values()) == pytest.approx(total, rel=0.1), "recipes are drawn, with this mean"
        assert found.made[number]["pristine"] == names["pristine"]


def test_a_limit_of_the_size_and_of_the_rate_is_what_is_decoded(tmp_path):
    config = load("local", videos=str(tmp_path), overrides=["corpus.max_short_side=540", "corpus.max_fps=15"])
    facts = expected(config, 10, FILE)
    assert (facts.area, facts.rate) == (1.0, 0.5)
    whole = load("local", videos=str(tmp_path), overrides=["corpus.max_short_side=2160", "corpus.max_fps=240"])
    assert (expected(whole, 10, FILE).area, expected(whole, 10, FILE).rate) == (4.0, 2.0), "nothing is enlarged"


def test_shaping_keeps_no_more_windows_than_it_is_told(tmp_path):
    config = load("local", videos=str(tmp_path), overrides=["shaping.keep=70", "corpus.degraded_copies=1"])
    facts = expected(config, 1000, FILE)
    assert facts.candidates == 750 * 3
    assert facts.pool == 140


def test_the_facts_are_found_once(tables):
    config = load("local", videos="videos")
    write_table(tables.layout.videos, VIDEOS.table(windows_of(ingested(9), config)), VIDEOS)
    run = tables.run(config)
    first = corpus_facts(run)
    tables.layout.videos.unlink()
    assert corpus_facts(run) is first
    with pytest.raises(Exception, match=r"videos\.parquet"):
        corpus_facts(tables.run(config))
