import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from actors.distortions.table import DISTORTIONS

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["corpus.made_clips=8", "corpus.degraded_copies=0", "teachers.names=[artefact, sharpness]"]


def test_a_plan_starts_and_writes_nothing_and_loads_no_torch(tmp_path):
    code = (
        "import sys, run; code = run.main(['plan', '--preset', 'demo', '--out', sys.argv[1]]); "
        "import ray; print('loaded', 'torch' in sys.modules, ray.is_initialized(), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "loaded False False 0" in done.stdout
    assert not (tmp_path / "run").exists()


def test_money_hours_and_every_distortion_are_shown(call, tmp_path):
    output = call("plan", "--preset", "demo", "--out", tmp_path / "run", "--price-per-hour", "1000", *options(SMALL))
    assert output.code == 0, output.err
    hours = float(re.search(r"about ([\d.]+) hours", output.out)[1])
    money = float(re.search(r"money: about ([\d.]+) at 1000", output.out)[1])
    assert money == pytest.approx(1000 * hours, abs=6), "hours are printed with two places"
    for name in DISTORTIONS:
        assert re.search(rf"^  {name} ", output.out, re.MULTILINE), name
    assert "money: about" not in call("plan", "--preset", "demo", "--out", tmp_path / "run", *options(SMALL)).out


def test_json_has_every_figure_of_the_tables(call, tmp_path):
    words = ("plan", "--videos", "20", "--out", tmp_path / "run", "--price-per-hour", "1000")
    text, found = call(*words).out, call(*words, "--json").json()
    totals = found["totals"]
    hours, longest = (float(one) for one in re.search(r"about ([\d.]+) hours .*step ([\d.]+) hours", text).groups())
    assert (found["videos"], found["price_per_hour"]) == (20, 1000)
    assert f"money: about {totals['money']:.2f} at 1000" in text
    assert (round(totals["seconds"] / 3600, 2), round(totals["longest_step_seconds"] / 3600, 2)) == (hours, longest)
    assert f"work: {totals['cpu_seconds'] / 3600:,.1f} CPU hours" in text
    for one in found["steps"]:
        row = next(line.split() for line in text.splitlines() if line.split()[:1] == [one["step"]])
        assert [str(one["actors"]), f"{one['gpus']:g}", f"{one['memory_gib']:.1f}"] == row[-4:-1], one["step"]
    assert call(*words[:-2], "--json").json()["totals"]["money"] is None


def options(overrides):
    return [word for entry in overrides for word in ("--set", entry)]


def test_a_number_of_videos_is_assumed(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = call("plan", "--videos", "100", "--limit", "40", "--set", "corpus.windows_per_clip=1", "--stages", "1")
    assert output.code == 0, output.err
    assert "preset local" in output.out
    assert "videos: 40, assumed" in output.out
    assert re.search(r"^  ingest +40 ", output.out, re.MULTILINE)


def test_files_are_counted_and_not_opened(call, tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.mp4").write_bytes(b"no video at all")
    (tmp_path / "notes.txt").write_bytes(b"x")
    output = call("plan", "--videos", tmp_path, "--stages", "1")
    assert output.code == 0, output.err
    assert "videos: 7 files of" in output.out


def test_shaping_is_said_with_its_two_steps(call, tmp_path):
    output = call("plan", "--videos", "400", "--set", "shaping.keep=200", "--out", tmp_path / "run")
    assert "shaping: keep 200 training windows, target uniform" in output.out
    assert re.search(r"\n +measure +[\d,]+ .*\n +shape +[\d,]+ ", output.out)


def test_too_few_videos_are_said(call, tmp_path):
    (tmp_path / "one.mp4").write_bytes(b"x")
    assert "give at least 4" in call("plan", "--videos", tmp_path, "--stages", "1").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--videos", "3"], "at least 4"),
        (["--videos", "/no/such/folder"], "no video there"),
        (["--price-per-hour", "-1"], "not negative"),
        (["--price-per-hour", "nan"], "not negative"),
        (["--price-per-hour", "cheap"], "invalid float"),
        (["--set", "training.epoch=2"], "training.epochs"),
        (["--preset", "none"], "none"),
        (["--cluster", "/no/file.yaml"], "--cluster /no/file.yaml"),
        (["--rates", "/no/file.yaml"], "--rates /no/file.yaml"),
        (["--prices", "/no/file.yaml"], "--prices /no/file.yaml"),
        (["--measure", "rates.yaml"], "--videos PATH"),
        (["--measure", ""], "--measure: the name is empty"),
        (["--cluster", ""], "--cluster: the name is empty"),
        (["--sample", "9"], "--sample 9: only --measure FILE"),
        (["--measure", "rates.yaml", "--json"], "--json: --measure writes rates"),
        (["--measure", "rates.yaml", "--price-per-hour", "0"], "--price-per-hour: --measure writes rates"),
    ],
)
def test_wrong_usage_is_told(call, words, message):
    output = call("plan", *words)
    assert (output.code, output.out) == (2, "")
    assert message in output.err


def test_missing_gpus_and_a_benchmark_that_eats_the_budget_are_said(call, tmp_path):
    output = call("plan", "--videos", "20000", "--preset", "paper", "--stages", "1", "--out", tmp_path / "run")
    assert output.code == 0, output.err
    text = " ".join((output.out + output.err).split())
    assert "too little for train-1: needed at the same time are 8 GPUs, and there are 0" in text
    assert "on CPUs: minimalistic_vii, minimalistic_ix, fastvqa, dover, qalign" in text
    assert "corpus.heldout_share=0.01" in text


def test_a_cluster_is_priced_with_on_demand_and_spot_nodes(call, tmp_path):
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    cluster = {
        "cluster_name": "c", "provider": {"type": "aws", "region": "us-west-2"}, "max_workers": 6, "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 0}, "node_config": {"InstanceType": "m7i.2xlarge"}},
            "cpu": {"resources": {"CPU": 16}, "max_workers": 4, "node_config": {"InstanceType": "c7i.4xlarge", **spot}},
            "odd": {"resources": {"CPU": 4, "GPU": 1}, "max_workers": 2, "node_config": {"InstanceType": "x99.large"}},
        },
    }  # fmt: skip
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(cluster))
    words = ("plan", "--videos", "1000", "--stages", "1", "--out", tmp_path / "run", "--cluster", file)
    output = call(*words)
    assert output.code == 0, output.err
    on_demand, spot = re.search(r"money: ([\d.,]+) USD with on-demand nodes, ([\d.,]+) with spot", output.out).groups()
    assert float(spot.replace(",", "")) < float(on_demand.replace(",", ""))
    assert "no price for x99.large" in output.out
    tree = call(*words, "--json").json()
    assert tree["cpus"] == 72
    assert sum(step["on_demand"] for step in tree["steps"]) == pytest.approx(
        float(on_demand.replace(",", "")), abs=0.01
    )


def test_rates_are_measured_on_own_videos_and_used(call, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.costs.measure._ENOUGH_S", 0.0)
    clips = ROOT / "tests" / "data" / "clips"
    rates = tmp_path / "rates.yaml"
    few = "resize: true, gaussian_noise: false, darken: false, brighten: false, jitter: false, stutter: false, h264: false"
    used = ["benchmark.seen=[h264]", "benchmark.unseen=[mjpeg]"]
    settings = options(["teachers.names=[sharpness, artefact]", f"distort.types={{{few}}}", *used])
    output = call("plan", "--videos", clips, "--measure", rates, "--sample", "1", *settings)
    assert output.code == 0, output.err
    tree = yaml.safe_load(rates.read_text())
    needed = {
        "probe",
        "decode",
        "teacher sharpness",
        "teacher artefact",
        "encode",
        "make h264",
        "make mjpeg",
        "vmaf",
        "still",
    }
    assert needed <= set(tree["cpu"])
    assert all(value >= 0 for value in tree["cpu"].values())
    assert tree["typical"]["width"] == 312
    plan = call("plan", "--videos", clips, "--rates", rates, "--out", tmp_path / "run", *settings)
    assert f"rates: {rates}, 1 videos measured on" in plan.out


def test_a_plan_says_what_an_ablation_sets_and_that_the_stages_may_be_fewer(call, tmp_path):
    said = call("plan", "--set", "ablation=III", "--stages", "auto:2", "--out", tmp_path / "run")
    text = said.out + said.err
    assert said.code == 0
    assert "as many stages as teach something, at most 2" in text
    assert "ablation III, + synthetic pairs" in text
    assert "it sets stages=2 (given in place of 1), training.lambda=0.0" in text
