from actors.distortions.table import DISTORTIONS
from pipeline.console import Console
from pipeline.corpus.listing import list_inputs
from pipeline.corpus.windows import windows_of
from pipeline.loop import run_all
from pipeline.planning.forecast import DONE, DONE_UNLESS_CHANGED, PENDING, RATES, THIS_RUN, forecast, of_folder, states
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.records import VIDEOS
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_table
from pipeline.settings.config import load
from pipeline.settings.sections import SEEN

SMALL = ["corpus.made_clips=8", "corpus.degraded_copies=0", "teachers.names=[artefact, sharpness]"]


def asked(config, folder):
    return of_folder(config, RunLayout.at(folder))


def probed(files):
    """Rows of usable files as ingest's probing gives them."""
    facts = {"width": 320, "height": 240, "fps": 24.0, "codec": "h264", "bytes": 9, "duration_s": 2.0}
    plain = {"status": "ok", "error_kind": "", "error": "", **facts}
    return [{"video_id": f"f{k}", "uri": f"f{k}.mp4", "content_id": f"c{k}", **plain} for k in range(files)]


def test_the_steps_are_those_of_the_loop_in_its_order(tmp_path, monkeypatch):
    names = []
    run = asked(load("demo", overrides=SMALL, stages=3), tmp_path)
    planned = list(states(run))
    monkeypatch.setattr(Steps, "run", lambda _self, step: names.append(step.name))
    run_all(run)
    assert planned == names
    assert len(set(names)) == len(names) == 6 + 3 * 6 - 1


def test_rows_follow_from_the_configuration(tmp_path):
    distort = ["distort.sources=[{spatial: 2, temporal: 1, streaming: 1}]", "distort.include_pristine=false"]
    benchmark = ["benchmark.levels=2", "benchmark.seen=[resize]", "benchmark.unseen=[mjpeg, av1]"]
    config = load("demo", overrides=[*SMALL, *distort, *benchmark], stages=2)
    steps = {one.name: one for one in forecast(asked(config, tmp_path))}
    rows = {name: one.rows and one.rows.count for name, one in steps.items()}
    levels = dict.fromkeys(("spatial", "temporal", "streaming"), 0)
    for name in SEEN:
        levels[DISTORTIONS[name].family] += len(DISTORTIONS[name].levels)
    assert rows["ingest"] == 8
    assert rows["score"] == 6, "two of eight contents are held out"
    assert rows["benchmark"] == 2 * 2 * 3, "two windows, two levels, three types"
    assert rows["distort-1"] == 2 * levels["spatial"] + levels["temporal"] + levels["streaming"]
    assert rows["pair-2"] >= rows["pair-1"] > 0
    assert steps["pair-1"].rows.at_most, "how many pairs are decisive depends on what the teachers will say"
    assert rows["report"] is None


def test_finished_steps_are_done_until_something_changes(tmp_path):
    config = load("demo", overrides=SMALL, stages=1)
    run = asked(config, tmp_path)
    layout = run.layout
    inputs = {"corpus": config.corpus, "seed": config.seed, "files": []}

    def work():
        write_table(layout.videos, VIDEOS.table(windows_of(probed(8), config)), VIDEOS)
        return {"rows": 8}

    Steps(layout, Console()).run(Step("ingest", inputs, [layout.videos], work))
    state = states(run)
    assert (state["ingest"], state["score"], state["report"]) == (DONE, PENDING, PENDING)
    plan = {one.name: one for one in forecast(run)}
    assert (plan["ingest"].rows, plan["ingest"].seconds_left) == (Rows(8), 0.0)
    assert plan["score"].seconds_left > 0
    assert (plan["ingest"].basis, plan["score"].basis) == (THIS_RUN, RATES)
    other = load("demo", overrides=[*SMALL, "corpus.made_width=160"], stages=1)
    assert states(asked(other, tmp_path))["ingest"] == "again: changed since it was done: corpus"
    layout.videos.unlink()
    assert states(run)["ingest"] == "again: videos.parquet is gone"


def test_a_step_after_an_unfinished_one_may_have_to_run_again(tmp_path):
    config = load("demo", overrides=SMALL, stages=1)
    run = asked(config, tmp_path)
    layout = run.layout
    layout.benchmark("seen").parent.mkdir(parents=True)
    for path in (layout.benchmark("seen"), layout.benchmark("unseen"), layout.calibration):
        path.write_bytes(b"x")
    inputs = {suite: layout.benchmark(suite) for suite in ("seen", "unseen")} | {"calibration": layout.calibration}

    def work():
        layout.benchmark_teachers.write_text("{}")
        return {}

    Steps(layout, Console()).run(Step("benchmark-teachers", inputs, [layout.benchmark_teachers], work))
    assert states(run)["benchmark-teachers"] == DONE_UNLESS_CHANGED


def test_a_forecast_lists_the_corpus_once_and_makes_no_rows(tmp_path, monkeypatch):
    videos = tmp_path / "videos"
    videos.mkdir()
    for k in range(40):
        (videos / f"{k}.mp4").write_bytes(b"x" * 1000)
    calls = []
    from pipeline.steps import ingest

    monkeypatch.setattr(ingest, "list_inputs", lambda *words: calls.append(words) or list_inputs(*words))
    steps = {one.name: one for one in forecast(asked(load("local", videos=str(videos)), tmp_path / "run"))}
    assert len(calls) == 1
    assert steps["ingest"].load.read == 40_000, "every byte is read"
    assert not (tmp_path / "run").exists()
