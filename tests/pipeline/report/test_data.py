"""What the report takes from a run that is begun again and not finished."""

from small_run import small_run

from pipeline.report.data import gather
from pipeline.run_folder.records import BENCHMARK
from pipeline.run_folder.store import read_json, read_table, write_json, write_table


def test_a_stage_that_was_evaluated_on_an_earlier_benchmark_is_left_out_and_named(tmp_path, clip):
    layout = small_run(tmp_path, clip)
    assert [one.number for one in gather(layout).rounds] == [1, 2]
    manifest = read_json(layout.manifest("train-2"))
    write_json(layout.manifest("train-2"), {**manifest, "outputs": {}})
    one = gather(layout)
    assert [row["name"] for row in one.results if row["kind"] == "student"] == ["student, stage 1"]
    assert one.warnings[0].startswith(
        "Stage 2 is left out: it has not been evaluated since the benchmark or its student"
    )
    rows = read_table(layout.benchmark("seen"), BENCHMARK).to_pylist()
    write_table(layout.benchmark("seen"), BENCHMARK.table([{**row, "mos": 1.0} for row in rows]), BENCHMARK)
    none = gather(layout)
    assert (none.rounds, none.results, none.errors, none.suites) == ([], [], {}, {})
    assert [text[:7] for text in none.warnings[:2]] == ["Stage 1", "Stage 2"]
