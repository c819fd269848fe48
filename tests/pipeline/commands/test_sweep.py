import csv
import io
import json
import re
from collections import Counter

import pytest

from pipeline.commands.sweep import (
    COLUMNS,
    HELD_OUT,
    _close,
    _row,
    as_csv,
    as_html,
    forget_failed,
    split_pairs,
    values_of,
)
from pipeline.console import Console, UserError
from pipeline.planning.forecast import of_folder
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.records import PAIRS
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import read_table, write_json, write_table
from pipeline.settings.config import load


def pairs(layout, counts):
    plain = dict.fromkeys(PAIRS.schema.names)
    rows = [
        {
            **plain,
            "pair_id": f"{origin}{k}",
            "first": f"a{k}",
            "second": f"b{k}",
            "origin": origin,
            "label": "better",
            "round": 1,
        }
        for origin, count in counts.items()
        for k in range(count)
    ]
    write_table(layout.pairs(1), PAIRS.table(rows), PAIRS)


def test_values_are_those_of_the_setting_each_once():
    assert values_of("0, 0.25,0.25,adaptive,1, auxiliary") == [0.0, 0.25, "adaptive", 1.0, "auxiliary"]


@pytest.mark.parametrize("text", ["2", "-0.1", "nan", "half", "", "0,,1", "adaptive;0"])
def test_other_values_are_one_line_before_any_work(call, tmp_path, text):
    output = call("sweep", f"--lambda={text}", "--out", tmp_path / "run")
    assert (output.code, output.out) == (2, "")
    assert "from 0 to 1" in output.err
    assert output.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stages", "2"], "--stages: a sweep trains round 1 alone"),
        (["--set", "stages=2"], "--stages: a sweep trains round 1 alone"),
        (["--set", "training.lambda=0.5"], "--set training.lambda: a sweep sets it itself"),
        (["--set", "training={lambda: 0.5}"], "--set training.lambda: a sweep sets it itself"),
    ],
)
def test_what_a_sweep_sets_itself_is_refused(call, tmp_path, words, message):
    output = call("sweep", *words, "--out", tmp_path / "run")
    assert (output.code, output.out) == (2, "")
    assert message in output.err
    assert output.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_every_fifth_pair_of_each_origin_is_held_out(tmp_path):
    layout = RunLayout.at(tmp_path)
    pairs(layout, {"ensemble": 20, "synthetic": 11})
    training, validation = (read_table(path, PAIRS) for path in split_pairs(load("demo"), layout))
    assert Counter(validation["origin"].to_pylist()) == {"ensemble": 20 // HELD_OUT, "synthetic": 11 // HELD_OUT}
    both = [*training["pair_id"].to_pylist(), *validation["pair_id"].to_pylist()]
    assert sorted(both) == sorted(read_table(layout.pairs(1), PAIRS)["pair_id"].to_pylist())
    again = [path.read_bytes() for path in split_pairs(load("demo"), layout)]
    assert again == [path.read_bytes() for path in split_pairs(load("demo"), layout)]
    other = read_table(split_pairs(load("demo", seed=1), layout)[1], PAIRS)
    assert other["pair_id"].to_pylist() != validation["pair_id"].to_pylist()


def test_too_few_pairs_are_told(tmp_path):
    layout = RunLayout.at(tmp_path)
    pairs(layout, {"ensemble": 3})
    with pytest.raises(UserError, match="too few"):
        split_pairs(load("demo"), layout)


def trial(**changes):
    base = {"lambda_": 0.25, "output": "/none", "stopped_at": 5, "steps": 9, "validation_order_accuracy": 0.75,
            "validation_accuracy": 0.5, "cross_entropy": 1.5, "entropy": 1.0, "error": ""}  # fmt: skip
    return {**base, **changes}


def test_a_trial_that_was_ended_early_or_failed_has_no_benchmark_figures(tmp_path):
    layout = RunLayout.at(tmp_path)
    row = _row(of_folder(load("demo"), layout), trial())
    assert tuple(row) == COLUMNS
    assert (row["lambda"], row["loss"], row["order_accuracy"], row["step"], row["steps"]) == (0.25, 1.5, 0.75, 5, 9)
    assert row["srcc_unseen"] is None
    assert row["student"] is None
    failed = _row(
        of_folder(load("demo"), layout), trial(stopped_at=9, cross_entropy=float("nan"), error="out of memory")
    )
    assert failed["loss"] is None
    assert failed["error"] == "out of memory"


@pytest.mark.parametrize(("error", "again"), [("died", True), (None, False)])
def test_a_sweep_with_a_failed_trial_is_not_done(begun, error, again):
    layout = begun([])
    made = []

    def work():
        made.append(1)
        write_json(layout.sweep_json, {"trials": [{"error": None}, {"error": error}]})
        return {}

    for _ in range(2):
        forget_failed(layout)
        Steps(layout, Console(io.StringIO())).run(Step("sweep", {"values": [0.0, 1.0]}, [layout.sweep_json], work))
    assert len(made) == 1 + again


def test_the_table_and_the_exit_code(tmp_path, capsys):
    layout = RunLayout.at(tmp_path)
    rows = [_row(of_folder(load("demo"), layout), trial(lambda_=value)) for value in (0.0, "adaptive")]
    layout.sweep_json.write_text(json.dumps({"trials": rows}))
    assert _close(layout, Console(io.StringIO())) == 0
    assert "adaptive" in capsys.readouterr().out
    layout.sweep_json.write_text(json.dumps({"trials": [{**rows[0], "error": "died"}]}))
    assert _close(layout, Console(io.StringIO())) == 1
    page = as_html(rows)
    drawn = json.loads(re.search(r'id="figures">(.*?)</script>', page)[1])["sweep"]
    assert drawn["data"][0]["name"] == "held-out pairs"
    assert drawn["data"][0]["x"] == ["λ 0.0", "λ adaptive"]
    assert drawn["data"][0]["y"] == [0.75, 0.75]
    rows_of_csv = list(csv.DictReader(io.StringIO(as_csv(rows).decode())))
    assert [row["lambda"] for row in rows_of_csv] == ["0.0", "adaptive"]
