import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.settings.config import Config, check_weights, fingerprint, load, per_round, student_files
from pipeline.settings.presets import PRESETS
from pipeline.settings.sections import SEEN
from pipeline.settings.trees import ConfigError

DEMO_BLOCKS = ("degradation", "native", "half", "quarter", "freeze", "shake")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_valid_and_survives_its_own_yaml(preset, tmp_path):
    config = load(preset, videos="clips")
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert load(file=file) == config


def test_the_preset_follows_the_videos_unless_it_is_named(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("preset: demo\n", encoding="utf-8")
    assert load().preset == "demo"
    assert load(videos="clips").preset == "local"
    assert load("demo", videos="clips").preset == "demo"
    assert load(file=file, videos="clips").preset == "demo"


def test_later_sources_win(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"seed": 1, "training": {"epochs": 2, "lr": 0.5}}), encoding="utf-8")
    config = load(file=file, seed=7, overrides=["training.lr=1e-4", "training.lambda=0.25"])
    assert (config.seed, config.training.epochs, config.training.lr, config.training.lambda_) == (7, 2, 1e-4, 0.25)


def test_one_distortion_can_be_switched_off():
    config = load(overrides=["distort.types.h265=off"])
    assert "h265" not in config.distort.enabled
    assert "h264" in config.distort.enabled


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preset": "papers"}, ["'papers'", "demo, local, paper, paper-printed, paper-shrunk"]),
        ({"preset": "local"}, ["--videos", "--preset demo"]),
        ({"preset": "paper"}, ["--videos", "--preset paper-shrunk"]),
        ({"overrides": ["training.lamda=1"]}, ["'training.lamda'", "nearest: training.lambda"]),
        ({"overrides": ["epochs=3"]}, ["'epochs'", "training.epochs"]),
        ({"overrides": ["zzz=3"]}, ["'zzz'", "known: ablation, benchmark, corpus"]),
        ({"overrides": ["distort.sources=[{spatil: 2}]"]}, ["distort.sources.0.spatil", "distort.sources.spatial"]),
        ({"overrides": ["training.lambda=2"]}, ["training.lambda:", "less than or equal to 1", "2"]),
        ({"overrides": ["training.epochs"]}, ["a.b=c"]),
        ({"overrides": ["training.epochs={"]}, ["training.epochs", "YAML"]),
        ({"overrides": ["seed.a=1"], "seed": 1}, ["seed is a value"]),
        ({"overrides": ["teachers.names=[brisqe, niqe]"]}, ["'brisqe'", "brisque"]),
        ({"overrides": ["teachers.names=[niqe, niqe]"]}, ["twice"]),
        ({"overrides": ["teachers.names=[]"]}, ["at least 1"]),
        ({"overrides": ["teachers.labels=nique"]}, ["teachers", "'nique'", "nearest: niqe"]),
        ({"overrides": ["mining.select=hardest"]}, ["mining.select", "'gmad'"]),
        ({"overrides": ["stages=auto:0"]}, ["stages"]),
        ({"overrides": ["benchmark.unseen=[h264]"]}, ["'h264'"]),
        ({"overrides": ["distort.types.resiz=off"]}, ["'resiz'", "resize"]),
        ({"overrides": ["pools.encode.gpus=0.3"]}, ["pools.encode.gpus", "0.25"]),
        ({"overrides": ["training.lr=.nan"]}, ["training.lr"]),
        ({"overrides": ["student.name=lit"]}, ["student.name", "'lit'", "nearest: lite"]),
        ({"overrides": ["student.options.hiden=4"]}, ["no option 'hiden'", "nearest: student.options.hidden"]),
        ({"overrides": ["student.options.dropout=2"]}, ["student.options.dropout", "less than or equal to 1", "2"]),
        (
            {"preset": "paper-shrunk", "overrides": ["student.options.trained=all"]},
            ["student.options.trained", "'lora'"],
        ),
        ({"overrides": ["student.options.trained=lora"]}, ["the student lite has no option 'trained'"]),
        ({"overrides": ["training.workers=3"]}, ["batch_size 64 must be a multiple of workers (3)"]),
        ({"overrides": ["training.type_weights={resiz: 1}"]}, ["training.type_weights", "'resiz'", "nearest: resize"]),
        ({"overrides": ["training.origin_weights={gmat: 1}"]}, ["training.origin_weights", "'gmat'", "gmad"]),
        ({"overrides": ["scoring.anchors=1"]}, ["scoring.anchors", "greater than or equal to 2"]),
        ({"stages": 0}, ["stages"]),
        ({"file": "missing.yaml"}, ["missing.yaml", "No such file"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place_and_the_remedy(arguments, words):
    with pytest.raises(ConfigError) as caught:
        load(**arguments)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["- 1\n", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(text, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load(file=file)


def test_the_tree_is_frozen():
    config = load()
    with pytest.raises(ValidationError):
        config.training.epochs = 3  # type: ignore[misc]


def test_nothing_to_train_on_is_refused():
    types = dict.fromkeys(load().distort.types, False)
    with pytest.raises(ConfigError, match="no pair"):
        load(overrides=[f"distort.types={json.dumps(types)}", "pairs.homogeneous=[0]"])


def test_the_name_of_the_run_ignores_what_changes_no_result():
    name = load().name()
    assert load(stages=5).name() == name
    assert load(overrides=["pools.score.timeout_s=9", "run.threads=2", "errors.budget=0.5"]).name() == name
    assert load(seed=1).name() != name
    assert load(videos="/data/My Clips/").name().startswith("local-my-clips-")


def test_rounds_after_the_last_entry_repeat_it():
    assert [per_round((5, 3), number) for number in (1, 2, 3, 9)] == [5, 3, 3, 3]
    with pytest.raises(ValueError, match="count from 1"):
        per_round((5, 3), 0)


@given(
    st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), max_size=6)
)
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(tree):
    assert fingerprint(tree) == fingerprint(dict(reversed(tree.items())))
    assert len(fingerprint(tree)) == 16


def test_a_fingerprint_depends_on_every_value():
    prints = {fingerprint(load(overrides=[f"training.epochs={epochs}"]).training) for epochs in range(1, 6)}
    assert len(prints) == 5
    assert fingerprint({"a": 1}) == "015abd7f5cc57a2d"  # sha256 of {"a":1}


def test_a_fingerprint_refuses_what_has_no_canonical_form():
    with pytest.raises(TypeError, match="PosixPath"):
        fingerprint({"a": Path("x")})
    with pytest.raises(ValueError, match="JSON"):
        fingerprint(float("nan"))


def test_fingerprints_do_not_depend_on_locale_or_time_zone():
    code = "from pipeline.settings.config import load, fingerprint; print(fingerprint(load(videos='clips ä', seed=3)))"
    environments = [{"LC_ALL": "C", "TZ": "UTC"}, {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}]
    root = Path(__file__).resolve().parents[3]
    prints = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True
        ).stdout
        for env in environments
    }
    assert len(prints) == 1


def test_every_key_of_the_dump_can_be_set():
    config = load()
    tree = yaml.safe_load(config.to_yaml())
    for section, values in tree.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            assert load(overrides=[f"{section}.{key}={json.dumps(value)}"]) == config
    assert Config.model_validate(tree) == config


def test_the_second_suite_is_off_until_a_type_is_switched_on():
    plain = load()
    assert plain.distort.enabled == SEEN
    config = load(overrides=["distort.types.banding=true", "distort.types.packet_loss=true"])
    assert config.distort.enabled == (*SEEN, "banding", "packet_loss")
    assert config.benchmark == plain.benchmark


def test_what_is_trained_on_is_not_called_unseen():
    with pytest.raises(ConfigError, match=r"vp9 is trained on .* benchmark\.unseen; take it out of one of them"):
        load(overrides=["distort.types.vp9=true"])
    config = load(overrides=["distort.types.vp9=true", "benchmark.unseen=[av1, mpeg2]", "benchmark.seen=[vp9]"])
    assert config.distort.enabled[-1] == "vp9"


def test_a_published_student_needs_a_checkpoint_before_anything_runs(tmp_path):
    check_weights(load("demo"))
    check_weights(load("paper-shrunk"))
    with pytest.raises(ConfigError, match=r"--set student.options.checkpoint=FOLDER"):
        check_weights(load("paper", videos="clips"))
    named = load("paper", videos="clips", overrides=[f"student.options.checkpoint={tmp_path}"])
    with pytest.raises(ConfigError, match=r"holds no config.json; name the folder of a checkpoint"):
        check_weights(named)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"teacher 'minimalistic_vii': there is no .*MinimalisticVQA_Model_VII_LSVQ.pth"
    ):
        check_weights(named)
    signal = f"student.options.checkpoint={tmp_path}", "teachers.names=[niqe, piqe]"
    check_weights(load("paper", videos="clips", overrides=signal))


def test_options_of_the_student_are_kept_as_they_were_given():
    # the dump decides the fingerprints of the steps: a run folder of the first release goes on
    assert fingerprint(load("local", videos="clips").student) == "a1f486fdd2abcdbd"
    config = load("paper-shrunk", overrides=["student.options.rank=8"])
    assert config.student.model_dump(mode="json") == {
        "name": "llava",
        "options": {"trained": "published", "vision_rate": 0.2, "shrunk": True, "rank": 8},
    }


def test_options_of_a_preset_are_those_of_its_student():
    assert load("demo").student.options == {"blocks": list(DEMO_BLOCKS)}
    other = load("demo", overrides=["student.name=llava", "student.options.shrunk=true"])
    assert other.student.model_dump() == {"name": "llava", "options": {"shrunk": True}}
    assert load("paper-shrunk", overrides=["student.name=lite"]).student.options == {}
    assert load("demo", overrides=["student.name=lite"]).student == load("demo").student
    assert load("demo", overrides=["student.options.dropout=0.1"]).student.options == {
        "blocks": list(DEMO_BLOCKS),
        "dropout": 0.1,
    }


def test_what_a_run_wrote_gets_nothing_from_a_preset(tmp_path):
    """A run folder that was begun before its preset named blocks, or weights of types, still tells what it was."""
    tree = yaml.safe_load(load("demo", overrides=["training.epochs=3"]).to_yaml())
    del tree["student"]["options"]["blocks"]
    del tree["training"]["type_weights"]["darken"]
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    config = load(file=file)
    assert (config.preset, config.training.epochs, config.student.options) == ("demo", 3, {})
    assert set(config.training.type_weights) == {"brighten"}
    # a file that somebody wrote, with some keys, is filled in
    del tree["shaping"]
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert load(file=file).student.options == {"blocks": list(DEMO_BLOCKS)}


def test_both_published_sets_of_hyper_parameters_are_presets():
    released, printed = load("paper", videos="clips"), load("paper-printed", videos="clips")
    assert (released.training.lr, released.training.weight_decay) == (1e-5, 0.0)
    assert released.student.options["vision_rate"] * released.training.lr == pytest.approx(2e-6)
    assert (printed.training.lr, printed.training.weight_decay) == (1e-4, 0.05)
    for config in (released, printed, load("paper-shrunk")):
        assert (config.student.name, config.training.zero_stage) == ("llava", 3)
    assert released.training.batch_size == printed.training.batch_size == 8


def test_a_key_that_came_later_changes_no_fingerprint_at_its_default():
    """Literal values, the corpus of the version before `corpus.hdr`: a run that was begun with it goes on."""
    usual, refusing = load(), load(overrides=["corpus.hdr=refuse"])
    assert (usual.name(), fingerprint(usual.corpus)) == ("demo-9f2dc29c", "0ad0de2e8477222f")
    assert refusing.name() != usual.name()
    assert fingerprint(refusing.corpus) != fingerprint(usual.corpus)
    written = yaml.safe_load(usual.to_yaml())["corpus"]
    assert (written["hdr"], written["interlaced"]) == ("tonemap", "deinterlace")


def test_the_files_of_a_student_count_by_their_bytes(tmp_path):
    assert student_files(load("demo")) == {}
    assert student_files(load("demo", overrides=["student.name=llava", "student.options.shrunk=true"])) == {}
    (tmp_path / "model.safetensors").write_bytes(b"first")
    config = load("demo", overrides=["student.name=llava", f"student.options.checkpoint={tmp_path}"])
    before = student_files(config)
    assert list(before) == ["checkpoint"]
    (tmp_path / "model.safetensors").write_bytes(b"other")
    after = student_files(config)
    assert after != before
    gone = load("demo", overrides=["student.name=llava", f"student.options.checkpoint={tmp_path / 'gone'}"])
    assert student_files(gone) == {"checkpoint": "no weights"}


@pytest.mark.parametrize("entries", ["homogeneous=[60, 30]", "synthetic=[{spatial: 6}, {spatial: 3}]"])
def test_drawn_pairs_of_a_later_round_are_refused_and_not_passed_over(entries):
    with pytest.raises(ConfigError, match=r"only the first round draws pairs.*pairs\.severity=all"):
        load("demo", overrides=[f"pairs.{entries}"])


@pytest.mark.parametrize("overrides", [(), ("student=5",)])
def test_a_student_that_is_no_group_of_keys_is_one_line(tmp_path, overrides):
    file = tmp_path / "c.yaml"
    file.write_text("student: lite\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="student: input should be"):
        load(file=file, overrides=overrides)


def test_a_group_of_keys_takes_the_place_of_a_student_that_is_none(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("student: lite\n", encoding="utf-8")
    assert load(file=file, overrides=["student.options.dropout=0.1"]).student.options["dropout"] == 0.1
