"""Every teacher of the table keeps the contract for every possible result of a decoder."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.media.outcome import Failure
from actors.media.views import Sample
from actors.teachers import TEACHERS, load_teacher, teacher_class
from actors.teachers.base import FrameTeacher
from actors.teachers.network import NetworkTeacher

Maker = Callable[[np.ndarray], Sample]
RANDOM = np.random.default_rng(3)


def sample(height, width, count, fill="noise", key_frames=2):
    def frames(*shape):
        if fill == "noise":
            return RANDOM.integers(0, 256, shape, dtype=np.uint8)
        if fill == "checker":
            return (np.indices(shape[:3]).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=3)
        return np.full(shape, {"black": 0, "grey": 128, "white": 255}[fill], np.uint8)

    key = frames(key_frames * 2, height, width, 3).reshape(key_frames, 2, height, width, 3)
    if count == 1:
        key = np.repeat(key[:, :1], 2, axis=1)
    luma = frames(count, height, width, 3)[..., 0]
    return Sample(key, luma, 0.0 if count == 1 else 25.0)


ODD = {
    f"{fill}-{height}x{width}-{count}": sample(height, width, count, fill)
    for fill in ("noise", "black", "grey", "white", "checker")
    for height, width, count in ((32, 32, 5), (33, 47, 2), (101, 97, 1), (1, 1, 3), (2, 40, 3), (150, 7, 4))
}


# The published networks need released weights: test_network.py holds them to the contract.
OURS = sorted(name for name in TEACHERS if not issubclass(teacher_class(name), NetworkTeacher))


@pytest.fixture(params=OURS)
def teacher(request):
    return load_teacher(request.param)


def test_at_least_six_teachers():
    assert len(OURS) >= 6


def test_states_what_the_table_shows(teacher):
    assert TEACHERS[teacher.name].endswith(f":{type(teacher).__name__}")
    assert all(
        text and "\n" not in text for text in (teacher.title, teacher.description, teacher.licence, teacher.weights)
    )
    assert teacher.range[0] < teacher.range[1]
    assert isinstance(teacher.higher_is_better, bool)
    assert teacher.parameters >= 0
    assert (teacher.parameters == 0) == (teacher.weights == "none") == (teacher.weights_digest() == "")


@pytest.mark.parametrize("case", sorted(ODD))
def test_score_is_finite_within_range_on_odd_input(teacher, case):
    score = teacher.score(ODD[case])
    assert isinstance(score, float)
    assert math.isfinite(score)
    assert teacher.range[0] <= score <= teacher.range[1]


def test_score_is_deterministic_and_leaves_the_sample_alone(teacher, clip, make_sample):
    clip_sample = make_sample(clip)
    copy = Sample(clip_sample.key.copy(), clip_sample.luma.copy(), clip_sample.fps)
    first = teacher.score(clip_sample)
    assert teacher.score(clip_sample) == first
    assert load_teacher(teacher.name).score(copy) == first
    assert np.array_equal(clip_sample.key, copy.key)
    assert np.array_equal(clip_sample.luma, copy.luma)


def test_score_accepts_frames_that_are_not_contiguous(teacher, clip, make_sample):
    clip_sample = make_sample(clip)
    wide = np.empty((*clip_sample.key.shape[:-1], 4), np.uint8)
    wide[..., :3] = clip_sample.key
    assert teacher.score(Sample(wide[..., :3], clip_sample.luma, clip_sample.fps)) == teacher.score(clip_sample)


def test_digests_are_the_same_in_another_process():
    root = Path(__file__).resolve().parents[3]
    code = (
        "import json, sys; from actors.teachers import load_teacher\n"
        "print(json.dumps({name: load_teacher(name).digest() for name in sys.argv[1:]}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *OURS], cwd=root, capture_output=True, text=True, check=True)
    digests = json.loads(done.stdout)
    assert digests == {name: load_teacher(name).digest() for name in OURS}
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests.values())


def test_digests_differ_between_teachers_and_settings(monkeypatch):
    digests = {name: load_teacher(name).digest() for name in OURS}
    assert len(set(digests.values())) == len(OURS)
    for name, digest in digests.items():
        teacher = load_teacher(name)
        monkeypatch.setattr(teacher, "settings", lambda: {"changed": 1})
        assert teacher.digest() != digest
        json.dumps(load_teacher(name).settings())


@pytest.mark.parametrize("name", ["vmaf", "", ":", "module:", ":Class"])
def test_an_unknown_name_gives_one_line_with_the_names(name):
    with pytest.raises(Failure) as caught:
        load_teacher(name)
    assert caught.value.kind == "usage"
    assert "\n" not in str(caught.value)
    assert all(known in caught.value.message for known in TEACHERS)


PACKAGE = """
from actors.teachers.base import FrameTeacher

class Bright(FrameTeacher):
    name = "bright"
    title = "Mean level"
    description = "Mean of all pixels"
    range = (0.0, 255.0)
    higher_is_better = True
    licence = "MIT"
    parameters = 0
    weights = "none"

    def score_frame(self, rgb):
        return float(rgb.mean())

class Nameless(FrameTeacher):
    def score_frame(self, rgb):
        return 0.0

class Other:
    pass
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "own_teachers_for_test.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_teachers_for_test", raising=False)
    return "own_teachers_for_test"


def test_a_teacher_of_the_users_own_package_works(package):
    teacher = load_teacher(f"{package}:Bright")
    assert teacher.score(sample(16, 16, 1, "grey")) == 128.0
    assert teacher_class(f"{package}:Bright") is type(teacher)


TABLE = """video,mean,quality
clips/A001.mp4,61.5,12
other/A002.mp4,7.25,13
A003,nan,14
one/A004.mp4,1,15
two/A004.mp4,2,16
"""

PYIQA = """
__version__ = "0.1.99"

class Metric:
    def __call__(self, pixels):
        assert pixels.dim() == 4 and pixels.shape[:2] == (1, 3) and 0 <= pixels.min() and pixels.max() <= 1
        return pixels.mean(dim=(1, 2, 3))[:, None]

def create_metric(name):
    assert name in ("mean", "dark")
    return Metric()
"""

CONFIGS = """
DEFAULT_CONFIGS = {
    "mean": {"metric_mode": "NR", "score_range": "0, 1"},
    "dark": {"metric_mode": "NR", "lower_better": True},
    "psnr": {"metric_mode": "FR"},
}
"""


@pytest.fixture
def pyiqa(tmp_path, monkeypatch):
    """A small package with the part of pyiqa's interface that is used."""
    (tmp_path / "pyiqa").mkdir()
    (tmp_path / "pyiqa" / "__init__.py").write_text(PYIQA)
    (tmp_path / "pyiqa" / "default_model_configs.py").write_text(CONFIGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("pyiqa", "pyiqa.default_model_configs"):
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.fixture
def table(tmp_path):
    (tmp_path / "published.csv").write_text(TABLE)
    return f"table:{tmp_path}/published.csv"


OPEN = {  # name with the folder of the fixtures, score of a grey video, direction
    "module:Class": ("own_teachers_for_test:Bright", 128.0, True),
    "table of scores": ("table:{folder}/published.csv?score=mean", 61.5, True),
    "table of distances": ("table:{folder}/published.csv?score=quality&video=video&better=lower", 12.0, False),
    "pyiqa": ("pyiqa:mean", 128 / 255, True),
    "pyiqa, lower is better": ("pyiqa:dark", 128 / 255, False),
}


@pytest.mark.parametrize("row", OPEN)
def test_the_open_forms_keep_the_contract(package, table, pyiqa, tmp_path, row):
    form, expected, rising = OPEN[row]
    name = form.format(folder=tmp_path)
    kind, teacher = teacher_class(name), load_teacher(name)
    assert kind.higher_is_better is rising
    for text in (kind.title, kind.description, kind.licence, kind.weights):
        assert text
        assert "\n" not in text
    assert kind.range[0] < kind.range[1]
    clip_sample = sample(16, 16, 3, "grey")
    assert teacher.score_video("/data/clips/A001.mp4", "", clip_sample) == pytest.approx(expected)
    assert load_teacher(name).score_video("/data/clips/A001.mp4", "", clip_sample) == pytest.approx(expected)
    assert len(teacher.digest()) == 16
    assert load_teacher(name).digest() == teacher.digest()
    json.dumps(dict(teacher.settings()))


def test_another_table_is_another_teacher(table, tmp_path):
    before = load_teacher(f"{table}?score=mean").digest()
    assert load_teacher(f"{table}?score=quality").digest() != before
    (tmp_path / "published.csv").write_text(TABLE.replace("61.5", "61.6"))
    assert load_teacher(f"{table}?score=mean").digest() != before


@pytest.mark.parametrize(
    ("video", "recipe", "words"),
    [
        ("A001.mp4", '[["h264",3,0]]', "not to distorted copies"),
        ("A009.mp4", "", "has no row for A009.mp4"),
        ("A003.mp4", "", "row 4: mean of A003.mp4 is not a finite number"),
        ("A004.mp4", "", "several rows that match A004.mp4"),
    ],
)
def test_a_video_without_a_published_score_has_a_reason(table, video, recipe, words):
    with pytest.raises(Failure, match=words):
        load_teacher(f"{table}?score=mean").score_video(video, recipe, sample(8, 8, 1))


def test_a_name_fits_with_as_much_of_the_path_as_it_has(table):
    teacher = load_teacher(f"{table}?score=mean")
    assert teacher.score_video("/data/two/A004.mp4", '[["pristine",0,0]]', sample(8, 8, 1)) == 2.0
    assert teacher.score_video("A002.mp4", "", sample(8, 8, 1)) == 7.25


def test_a_file_of_the_same_name_in_another_folder_is_another_video(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text("video,score\nindoor/747.mp4,61\n")
    teacher = load_teacher(f"table:{path}?score=score")
    for video in ("/data/indoor/747.mp4", "indoor/747", "747.mp4"):
        assert teacher.score_video(video, "", sample(8, 8, 1)) == 61
    with pytest.raises(Failure, match="has no row for outdoor/747"):
        teacher.score_video("outdoor/747.mp4", "", sample(8, 8, 1))


def test_parquet_is_a_table_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"Name": ["a.mp4"], "score": [0.5]}), tmp_path / "scores.parquet")
    assert load_teacher(f"table:{tmp_path}/scores.parquet").score_video("a.mp4", "", sample(8, 8, 1)) == 0.5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("table:", "not of the form table:FILE"),
        ("table:a.csv?column=b", "not of the form table:FILE"),
        ("table:a.csv?score=b&better=worse", "not of the form table:FILE"),
        ("table:/no/such/file.csv?score=b", "cannot be read as a table"),
        ("{table}?score=none", "no column none; it has video, mean, quality"),
        ("{table}", "no column score or prediction"),
        ("pyiqa:psnr", "no no-reference metric 'psnr'; it has dark, mean"),
    ],
)
def test_a_faulty_open_form_gives_one_clear_line(table, pyiqa, name, words):
    with pytest.raises(Failure, match=words) as caught:
        load_teacher(name.format(table=table))
    assert caught.value.kind == "usage"
    assert "\n" not in str(caught.value)


def test_pyiqa_that_is_not_installed_is_said_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(Failure, match=r"needs the package pyiqa.*pip install 'weak-to-strong-vqa\[pyiqa\]'"):
        load_teacher("pyiqa:niqe")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Other", "not a subclass of actors.teachers.base.Teacher"),
        ("Nameless", "lacks the class attribute name, title"),
        ("Absent", "cannot be imported"),
    ],
)
def test_a_faulty_teacher_gives_one_clear_line(package, name, words):
    with pytest.raises(Failure, match=words) as caught:
        load_teacher(f"{package}:{name}")
    assert "\n" not in str(caught.value)


def test_a_package_that_is_not_installed_gives_one_clear_line():
    with pytest.raises(Failure, match="no_such_package_at_all"):
        load_teacher("no_such_package_at_all.module:Class")


def test_a_score_that_is_not_finite_is_a_failure_and_not_a_number():
    class Broken(FrameTeacher):
        name = "broken"
        range = (0.0, 1.0)

        def score_frame(self, rgb):
            return math.nan

    with pytest.raises(Failure, match="computed nan"):
        Broken().score(sample(8, 8, 1))


def test_repeated_key_frames_are_computed_once():
    class Counting(FrameTeacher):
        range = (0.0, 255.0)
        calls = 0

        def score_frame(self, rgb):
            self.calls += 1
            return float(rgb[0, 0, 0])

    key = np.zeros((3, 2, 4, 4, 3), np.uint8)
    key[2] = 90
    teacher = Counting()
    assert teacher.score(Sample(key, np.zeros((1, 4, 4), np.uint8), 0.0)) == 30.0
    assert teacher.calls == 2


def test_the_table_imports_without_the_heavy_libraries():
    root = Path(__file__).resolve().parents[3]
    code = (
        "import sys, actors.teachers; print(sorted({'cv2', 'skimage', 'scipy', 'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scoring_does_not_import_the_packages_that_only_lend_their_data():
    root = Path(__file__).resolve().parents[3]
    code = (
        "import sys; from actors.teachers import TEACHERS, load_teacher\n"
        "for name in TEACHERS: load_teacher(name)\n"
        "for name in sys.argv[1:]: load_teacher(name).digest()\n"
        "print(sorted({'skimage', 'brisque', 'libsvm', 'pypiqe', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *OURS], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
