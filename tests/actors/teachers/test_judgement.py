"""Each teacher points the right way on natural clips, and agrees with the reference code of its method."""

from __future__ import annotations

import math
from collections import UserList
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from actors.media.outcome import Failure
from actors.media.views import Sample
from actors.teachers import TEACHERS, load_teacher, teacher_class
from actors.teachers.network import NetworkTeacher

Maker = Callable[[np.ndarray], Sample]
ONE_DAMAGE = ("temporal", "blockdetect", "blurdetect", "cambi")  # see one kind of damage alone, tested by itself
IMAGE_TEACHERS = sorted(
    name for name in TEACHERS if name not in ONE_DAMAGE and not issubclass(teacher_class(name), NetworkTeacher)
)


def blurred(frames, sigma=2.0):
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def compressed(frames, quality=4):
    coded = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for frame in frames]
    return np.stack([cv2.imdecode(code, cv2.IMREAD_COLOR) for code in coded])


def enlarged(frames, factor=4):
    height, width = frames.shape[1:3]
    small = [cv2.resize(f, (width // factor, height // factor), interpolation=cv2.INTER_AREA) for f in frames]
    return np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_CUBIC) for f in small])


def noisy(frames, deviation=20.0):
    noise = np.random.default_rng(5).normal(0, deviation, frames.shape)
    return (frames + noise).round().clip(0, 255).astype(np.uint8)


def darkened(frames, power=0.8):
    level = frames / 255
    return ((level - 2 * power * level * (1 - level)).clip(0, 1) * 255).round().astype(np.uint8)


def stuttered(frames):
    held = frames.copy()
    drops = np.random.default_rng(1).random(len(frames)) < 0.4
    for index in range(1, len(frames)):
        if drops[index]:
            held[index] = held[index - 1]
    return held


def jittered(frames, reach=6):
    shifts = np.random.default_rng(2).integers(-reach, reach + 1, (len(frames), 2))
    moved = [np.roll(frame, tuple(shift), axis=(0, 1)) for frame, shift in zip(frames, shifts, strict=True)]
    return np.stack(moved)[:, reach:-reach, reach:-reach]


def flickered(frames):
    gain = np.where(np.arange(len(frames)) % 2, 1.0, 0.9)[:, None, None, None]
    return (frames * gain).round().astype(np.uint8)


def goodness(teacher, sample):
    score = teacher.score(sample)
    return score if teacher.higher_is_better else -score


@pytest.mark.parametrize("name", IMAGE_TEACHERS)
@pytest.mark.parametrize("damage", [blurred, compressed, enlarged])
def test_image_teachers_see_lost_detail(name, damage, clip, make_sample):
    teacher = load_teacher(name)
    assert goodness(teacher, make_sample(damage(clip))) < goodness(teacher, make_sample(clip))


@pytest.mark.parametrize("name", IMAGE_TEACHERS)
def test_image_teachers_rank_the_strength_of_blur(name, clip, make_sample):
    teacher = load_teacher(name)
    scores = [goodness(teacher, make_sample(blurred(clip, sigma))) for sigma in (1.0, 2.0, 5.0)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", ["artefact", "brisque", "exposure", "niqe", "piqe"])
def test_noise_is_judged_worse(name, clip, make_sample):
    teacher = load_teacher(name)
    assert goodness(teacher, make_sample(noisy(clip))) < goodness(teacher, make_sample(clip))


def test_exposure_sees_darkening_and_lost_contrast(clip, make_sample):
    teacher = load_teacher("exposure")
    flat = (clip * 0.4 + 77).round().astype(np.uint8)
    assert teacher.score(make_sample(darkened(clip))) < teacher.score(make_sample(clip))
    assert teacher.score(make_sample(flat)) < teacher.score(make_sample(clip))


def test_blockdetect_sees_blocks_by_their_strength(clip, make_sample):
    teacher = load_teacher("blockdetect")
    scores = [goodness(teacher, make_sample(compressed(clip, quality))) for quality in (60, 20, 5)]
    assert [goodness(teacher, make_sample(clip)), *scores] == sorted(
        [*scores, goodness(teacher, make_sample(clip))], reverse=True
    )


def test_blurdetect_ranks_the_strength_of_blur(clip, make_sample):
    teacher = load_teacher("blurdetect")
    scores = [goodness(teacher, make_sample(blurred(clip, sigma))) for sigma in (0.3, 1.0, 2.0, 4.0)]
    assert scores == sorted(scores, reverse=True)


def gradient(step):
    rows, columns = np.mgrid[:288, :384]
    level = 60 + 120 * columns / 384 + 10 * rows / 288
    grey = np.rint(np.floor(level / step) * step).astype(np.uint8)
    return np.repeat(grey[None, :, :, None], 3, axis=3).repeat(4, axis=0)


def test_cambi_sees_bands_and_coarser_ones_as_well(make_sample):
    teacher = load_teacher("cambi")
    dithered = (gradient(0.01) + np.random.default_rng(4).integers(-1, 2, (4, 288, 384, 1))).astype(np.uint8)
    fine, coarse = teacher.score(make_sample(gradient(1))), teacher.score(make_sample(gradient(4)))
    assert teacher.score(make_sample(dithered)) < fine / 4
    assert coarse > fine > 5


@pytest.mark.parametrize("name", ["blockdetect", "blurdetect", "cambi"])
def test_filters_give_the_mean_of_single_frames(name, clip, make_sample):
    teacher = load_teacher(name)
    whole = make_sample(clip)
    single = [teacher.score(Sample(whole.key[k : k + 1], whole.luma, whole.fps)) for k in range(len(whole.key))]
    repeated = Sample(np.concatenate([whole.key, whole.key[-1:]]), whole.luma, whole.fps)
    assert teacher.score(whole) == pytest.approx(np.mean(single), rel=1e-6)
    assert teacher.score(repeated) == pytest.approx((sum(single) + single[-1]) / (len(single) + 1), rel=1e-6)


@pytest.mark.parametrize("damage", [stuttered, jittered, flickered])
def test_temporal_sees_uneven_motion(damage, clip, make_sample):
    teacher = load_teacher("temporal")
    assert teacher.score(make_sample(damage(clip))) < 0.9 * teacher.score(make_sample(clip))


def test_temporal_measures_name_the_damage(clip, make_sample):
    from actors.teachers.temporal import COSTS, Temporal

    teacher = Temporal()
    clean = teacher.measures(make_sample(clip))
    assert set(clean) == set(COSTS)
    assert clean["held"] == 0
    assert teacher.measures(make_sample(stuttered(clip)))["held"] > 0.2
    assert teacher.measures(make_sample(jittered(clip)))["shake"] > clean["shake"] + 0.01
    assert teacher.measures(make_sample(flickered(clip)))["flicker"] > clean["flicker"] + 1
    assert teacher.measures(make_sample(noisy(clip)))["grain"] > clean["grain"] + 5


def test_temporal_gives_every_still_the_same_neutral_score(clip):
    teacher = load_teacher("temporal")
    for frame in (clip[0], noisy(clip)[0]):
        still = Sample(np.stack([np.stack([frame, frame])]), frame[None, :, :, 0], 0.0)
        assert teacher.score(still) == 50.0


def test_a_scene_that_does_not_move_does_not_stutter(clip, make_sample):
    from actors.teachers.temporal import Temporal

    frozen = np.repeat(clip[:1], 20, axis=0)
    assert all(value == 0 for value in Temporal().measures(make_sample(frozen)).values())


def test_shake_measures_the_acceleration_of_a_known_path(clip):
    from actors.teachers.temporal import shake

    gray = clip[0, :, :, 0].astype(np.float32)
    steady = np.stack([gray[:200, x : x + 300] for x in range(0, 40, 2)])
    shaken = np.stack([gray[:200, 20 + x : 320 + x] for x in [0, 2] * 10])
    assert shake(steady) < 0.001
    # Shifts of +2 and -2 pixels in turn: an acceleration of 4 pixels of 200.
    assert shake(shaken) == pytest.approx(4 / 200, rel=0.1)


def test_piqe_equals_the_block_by_block_reference(clip):
    from pypiqe.piqe import piqe

    teacher = load_teacher("piqe")
    for frame in (clip[0], compressed(clip[:1])[0][:200, :301], noisy(clip[:1])[0][:97, :65]):
        reference = piqe(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2BGR))[0]
        assert teacher.score_frame(frame) == pytest.approx(reference, abs=1e-3)  # type: ignore[attr-defined]


def test_brisque_regression_equals_libsvm(clip):
    from libsvm import svmutil

    from actors.teachers.brisque import brisque_features, regression
    from actors.teachers.packaged import packaged_file

    model = svmutil.svm_load_model(str(packaged_file("brisque", "brisque", "brisque", "models", "svm.txt")))
    fitted = regression()
    for frame in (clip[0], blurred(clip[:1])[0], noisy(clip[:1])[0]):
        features = brisque_features((frame.mean(axis=2) / 255).astype(np.float32))
        scaled = -1 + 2 * (features - fitted.low) / (fitted.high - fitted.low)
        expected = svmutil.svm_predict([0], [list(scaled)], model, "-q")[0][0]
        assert fitted.predict(features) == pytest.approx(expected, abs=1e-6)


def test_brisque_reads_lists_of_numbers_and_makes_no_other_object(tmp_path):
    import pickle

    from actors.teachers import brisque

    low, high = [float(number) for number in range(36)], [float(number + 1) for number in range(36)]
    ranges = tmp_path / "normalize.pickle"
    ranges.write_bytes(pickle.dumps({"min_": low, "max_": high}))
    assert [values.tolist() for values in brisque._read_ranges(ranges)] == [low, high]
    # NumPy takes these two for the same lists, so that only a reader that never unpickles notices them.
    ranges.write_bytes(pickle.dumps({"min_": UserList(low), "max_": UserList(high)}))
    with pytest.raises(ValueError, match="36 ordered pairs"):
        brisque._read_ranges(ranges)


def test_a_missing_data_file_names_the_package_to_install():
    from actors.teachers.packaged import packaged_file

    with pytest.raises(Failure, match="pip install scikit-image"):
        packaged_file("niqe", "skimage", "scikit-image", "data", "absent.png")
    with pytest.raises(Failure, match="pip install absent-package"):
        packaged_file("niqe", "absent_package", "absent-package", "x")


def test_niqe_pristine_model_is_well_conditioned_and_near_its_own_photographs(clip):
    from actors.teachers.niqe import pristine_model

    mean, covariance, digest = pristine_model()
    assert mean.shape == (36,)
    assert np.linalg.matrix_rank(covariance) == 36
    assert np.allclose(covariance, covariance.T)
    assert len(digest) == 64
    assert pristine_model()[0] is mean


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 4.0])
def test_aggd_fit_recovers_a_known_shape(alpha):
    from trainers.scenes.nss import fit_aggd

    random = np.random.default_rng(11)
    size = 400_000
    magnitude = random.gamma(1 / alpha, 1.0, size) ** (1 / alpha)
    left = random.random(size) < 1 / 3
    values = np.where(left, -1.0, 2.0) * magnitude
    fit = fit_aggd(values, (0,))
    unit = math.sqrt(math.gamma(3 / alpha) / math.gamma(1 / alpha))
    assert float(fit.alpha) == pytest.approx(alpha, rel=0.03)
    assert float(fit.left) == pytest.approx(unit, rel=0.02)
    assert float(fit.right) == pytest.approx(2 * unit, rel=0.02)
    assert float(fit.mean) == pytest.approx(values.mean(), rel=0.03)


@pytest.mark.parametrize("shift", [0, 3])
def test_blockiness_finds_the_grid_at_any_phase(shift, clip):
    from actors.teachers.artefact import blockiness

    gray = clip[0, :, :, 1].astype(np.float32)
    tiles = np.random.default_rng(4).normal(0, 6, (40, 50)).repeat(8, axis=0).repeat(8, axis=1)
    blocky = gray + tiles[shift : shift + gray.shape[0], shift : shift + gray.shape[1]].astype(np.float32)
    assert blockiness(gray) < 0.1
    assert blockiness(blocky) > blockiness(gray) + 0.2


@pytest.mark.parametrize("deviation", [5.0, 15.0])
def test_noise_deviation_is_in_grey_levels(deviation):
    from actors.teachers.artefact import noise_deviation

    ramp = np.linspace(50, 200, 256, dtype=np.float32)[None, :].repeat(256, axis=0)
    noise = np.random.default_rng(6).normal(0, deviation, ramp.shape).astype(np.float32)
    assert noise_deviation(ramp) < 0.1
    assert noise_deviation(ramp + noise) == pytest.approx(deviation, rel=0.15)
