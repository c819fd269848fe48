import pytest

from pipeline.settings.ablations import ABLATIONS, PUBLISHED, keys_of
from pipeline.settings.config import ablation_keys, load
from pipeline.settings.presets import PRESETS
from pipeline.settings.trees import ConfigError


def value_of(config, key):
    tree = config.model_dump(mode="json", context={"whole": True})
    for part in key.split("."):
        tree = tree[part]
    return tree


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("name", list(ABLATIONS))
def test_every_row_sets_its_keys_in_every_preset(preset, name):
    config = load(preset, videos="clips", overrides=[f"ablation={name}"])
    for key, value in keys_of(name, config.teachers.names).items():
        assert value_of(config, key) == value, key
    assert config.ablation == name


def test_a_row_leaves_all_other_keys_as_the_preset_has_them():
    plain, row = load("demo"), load("demo", overrides=["ablation=V-b"])
    assert row.pairs.relabel == "none" != plain.pairs.relabel
    assert row.model_copy(update={"ablation": None, "stages": 3, "pairs": plain.pairs}) == plain


@pytest.mark.parametrize(
    ("preset", "teacher"), [("demo", "niqe"), ("paper", "minimalistic_ix"), ("paper-shrunk", "niqe")]
)
def test_the_single_teacher_is_the_papers_or_the_best_known_one(preset, teacher):
    config = load(preset, videos="clips", overrides=["ablation=I"])
    assert config.teachers.voices == (teacher,)


def test_without_a_known_teacher_the_first_one_labels():
    config = load("demo", overrides=["ablation=I", "teachers.names=[sharpness, exposure]"])
    assert config.teachers.voices == ("sharpness",)


def test_what_is_given_beside_the_name_wins_and_is_told():
    config = load("demo", overrides=["ablation=IV", "training.lambda=0.5"], stages=2)
    assert (config.stages, config.training.lambda_) == (2, 0.5)
    assert ablation_keys(config) == [
        "stages=2 (given in place of 1)",
        "training.lambda=0.5 (given in place of adaptive)",
    ]


def test_a_name_on_the_command_line_outvotes_a_file_and_a_name_in_the_file_does_not(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("training: {lambda: 0.5}\n", encoding="utf-8")
    assert load(file=file, overrides=["ablation=III"]).training.lambda_ == 0.0
    file.write_text("ablation: III\ntraining: {lambda: 0.5}\n", encoding="utf-8")
    assert load(file=file).training.lambda_ == 0.5


def test_a_run_that_names_a_row_survives_its_own_yaml(tmp_path):
    config = load("demo", overrides=["ablation=V-a", "mining.pairs=9"])
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert load(file=file) == config


def test_an_unknown_row_is_named_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"ablation: 'VII' is not known here; nearest: .*VI"):
        load("demo", overrides=["ablation=VII"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("teachers=5", "teachers: input should be"),
        ("teachers=null", "teachers: input should be"),
        ("teachers=[niqe]", "teachers: input should be"),
        ("teachers.names=[]", "teachers.names: .*at least 1"),
        ("teachers.names=null", "teachers.names: input should be"),
        ("teachers.names=niqe", "teachers.names: input should be"),
        ("teachers.names={niqe: 1}", "teachers.names: input should be"),
        ("teachers.names=[5]", "teachers.names.0: input should be"),
        ("teachers.names=[[niqe]]", "teachers.names.0: input should be"),
    ],
)
@pytest.mark.parametrize("row", ["I", "II", "IV-reliability"])
def test_teachers_that_are_no_list_of_names_are_one_line_in_any_row(given, words, row, tmp_path):
    with pytest.raises(ConfigError, match=words) as caught:
        load("demo", overrides=[given, f"ablation={row}"])
    assert "\n" not in str(caught.value)
    key, _, value = given.partition("=")
    file = tmp_path / "c.yaml"
    section = key.partition(".")[2]
    file.write_text(f"teachers: {'{' + section + ': ' + value + '}' if section else value}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load("demo", file=file, overrides=[f"ablation={row}"])


@pytest.mark.parametrize("given", ["[I]", "{I: 1}", "5", "true"])
def test_a_row_that_is_no_name_is_one_line(given):
    with pytest.raises(ConfigError, match="ablation: input should be a valid string") as caught:
        load("demo", overrides=[f"ablation={given}"])
    assert "\n" not in str(caught.value)


def test_a_run_folder_keeps_its_name_whatever_the_row_is_called():
    assert load("demo", overrides=["ablation=VI"]).name() == load("demo").name()
    assert load("demo", overrides=["ablation=V-a"]).name() != load("demo").name()


def test_each_row_but_the_first_is_compared_with_another_row():
    assert [name for name, row in ABLATIONS.items() if row.against is None] == ["I"]
    assert all(row.against in ABLATIONS for row in ABLATIONS.values() if row.against is not None)
    assert set(PUBLISHED) <= set(ABLATIONS)
