"""The weak-to-strong loss of the student against numbers recorded from the released code."""

import hashlib
import math

import numpy as np
import pytest
from parity_kit import record, sources

FILE = ("student", "student.json")
RECORD = record(*FILE)
TOLERANCE = RECORD["tolerance"]
MASK = (1 << 64) - 1


def _words(text, count):
    """SplitMix64 words of the stream whose state is the first 8 bytes of sha256(text)."""
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key & MASK)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _formula_logits(rows, classes, seed):
    """Formula input "loss.logits": Irwin-Hall noise plus two triangular waves, float32 [rows, classes]."""
    lanes = _words(f"{seed}:input-noise:loss.logits", rows * classes)
    lane = np.uint64(0xFFFF)
    total = (lanes & lane) + ((lanes >> np.uint64(16)) & lane) + ((lanes >> np.uint64(32)) & lane)
    noise = ((total + (lanes >> np.uint64(48))).astype(np.float64) - 131070.0) / np.sqrt((2**32 - 1) / 3.0)
    values = 0.5 * noise.reshape(rows, classes)
    slopes = (_words(f"{seed}:input-waves:loss.logits", 4) % np.uint64(11)).astype(np.int64) + 1
    row, column = np.arange(rows)[:, None], np.arange(classes)[None, :]
    for wave, amplitude in ((0, 1.0), (1, 0.5)):
        phase = ((row * slopes[2 * wave] + column * slopes[2 * wave + 1]) % 128) / 128.0
        values += amplitude * (4.0 * np.abs(phase - np.floor(phase) - 0.5) - 1.0)
    return values.astype(np.float32)


def _cases():
    return [
        pytest.param(unit.get("seed", 1), case, value, id=f"{origin}-{number}-t{value['step_frac']}")
        for origin, content in sources(*FILE)
        if (unit := content.get("loss_unit"))
        for number, case in enumerate(unit["cases"])
        for value in case["values"]
    ]


@pytest.mark.parametrize(("seed", "case", "value"), _cases())
def test_student_loss_equals_the_recorded_numbers(seed, case, value):
    import torch

    from trainers.losses import adaptive_weight, temperature, weak_to_strong_loss

    rows, classes = case["rows_N"], case["classes_C"]
    values = case["scale"] * _formula_logits(rows, classes, seed)
    index = np.arange(rows)
    labels = (7 * index + 3) % classes
    values[index, labels] += case["boost"]
    labels[index % 3 == 0] = -100
    logits = torch.from_numpy(values.astype(np.float32)).requires_grad_()
    progress = value["step_frac"]
    terms = weak_to_strong_loss(
        logits, torch.from_numpy(labels), progress, normaliser=None, weights=None, lambda_="adaptive"
    )
    alpha, weight = adaptive_weight(terms.cross_entropy, terms.entropy, progress)
    stable = value["stable_form"]
    assert temperature(progress) == pytest.approx(value["T"], abs=1e-9)
    assert terms.cross_entropy.item() == pytest.approx(value["L_CE"], abs=TOLERANCE["loss_abs"])
    assert terms.entropy.item() == pytest.approx(value["L_conf"], abs=TOLERANCE["loss_abs"])
    assert alpha.item() == pytest.approx(stable["alpha"], rel=TOLERANCE["alpha_rel"])
    assert weight.item() == pytest.approx(stable["lambda"], rel=TOLERANCE["alpha_rel"])
    assert terms.total.item() == pytest.approx(stable["total"], abs=TOLERANCE["loss_abs"])
    terms.total.backward()
    assert logits.grad.isfinite().all()
    if "grad_l2" in value and value["grad_l2"] is not None:
        assert logits.grad.norm().item() == pytest.approx(value["grad_l2"], rel=TOLERANCE["gradient_l2_rel"])
        assert logits.grad.flatten()[:4].tolist() == pytest.approx(value["grad_first4"], rel=2e-3, abs=1e-7)


def test_student_loss_covers_the_cases_in_which_the_released_form_overflows():
    overflowing = [
        value for case in RECORD["loss_unit"]["cases"] for value in case["values"] if value.get("official_overflow")
    ]
    assert overflowing
    assert all(math.isfinite(value["stable_form"]["total"]) for value in overflowing)
