from actors.media.outcome import KINDS
from pipeline.report.quarantine import MENDING, collect
from pipeline.run_folder.records import OBSERVED, QUARANTINE
from pipeline.run_folder.store import append_shard, read_table


def failed(kind, error="why"):
    return {"status": "failed", "error_kind": kind, "error": error}


def observe(tables, rows):
    empty = dict.fromkeys(OBSERVED.schema.names)
    shard = OBSERVED.table([{**empty, "status": "ok", **row} for row in rows])
    append_shard(tables.layout.observed("pool"), shard, OBSERVED)


def test_every_kind_of_failure_is_collected_with_its_step_and_reason(tables, copies):
    tables.videos(
        [
            {"video_id": "good"},
            {"video_id": "dark"},
            {"video_id": "twin", "status": "skipped", "error_kind": "duplicate", "error": "same bytes as good.mp4"},
            {"video_id": "empty", **failed("empty")},
        ]
    )
    observe(tables, [{"video_id": "good"}, {"video_id": "dark", **failed("decode", "no frame")}])
    tables.benchmark("seen", [{"video_id": "s", "mos": 1.0}, {"video_id": "t", **failed("encode")}])
    tables.benchmark("unseen", [{"video_id": "u", **failed("timeout")}])
    distorted = copies("good", "h264", "streaming", (1, 2))
    tables.distorted(1, [distorted[0], {**distorted[1], **failed("crash")}])
    tables.distorted(2, [{**distorted[0], "video_id": "late", **failed("encode")}])
    assert collect(tables.layout, 2) == 7
    rows = read_table(tables.layout.quarantine, QUARANTINE).to_pylist()
    assert {(row["step"], row["item"], row["error_kind"]) for row in rows} == {
        ("ingest", "twin", "duplicate"),
        ("ingest", "empty", "empty"),
        ("score", "dark", "decode"),
        ("benchmark", "t", "encode"),
        ("benchmark", "u", "timeout"),
        ("distort-1", "good-h264-2", "crash"),
        ("distort-2", "late", "encode"),
    }
    (dark,) = [row for row in rows if row["item"] == "dark"]
    assert (dark["uri"], dark["error"]) == ("dark.mp4", "no frame")


def test_rounds_that_are_not_asked_for_are_not_read(tables, copies):
    tables.videos([{"video_id": "good"}])
    for suite in ("seen", "unseen"):
        tables.benchmark(suite, [])
    tables.distorted(1, copies("good", "h264", "streaming", (1,)))
    assert collect(tables.layout, 1) == 0
    assert read_table(tables.layout.quarantine, QUARANTINE).num_rows == 0


def test_what_was_observed_under_an_older_corpus_is_not_reported(tables):
    tables.videos([{"video_id": "good"}])
    observe(tables, [{"video_id": "gone", **failed("decode")}])
    for suite in ("seen", "unseen"):
        tables.benchmark(suite, [])
    assert collect(tables.layout, 0) == 0


def test_a_failure_without_a_reason_says_so(tables):
    tables.videos([{"video_id": "odd", "status": "failed"}])
    for suite in ("seen", "unseen"):
        tables.benchmark(suite, [])
    collect(tables.layout, 0)
    (row,) = read_table(tables.layout.quarantine, QUARANTINE).to_pylist()
    assert (row["error_kind"], row["error"]) == ("unknown", "no reason was recorded")


def test_every_kind_of_failure_has_a_remedy():
    assert set(MENDING) == {*KINDS, "duplicate"}
