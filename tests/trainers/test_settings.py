import pytest
from pydantic import ValidationError

from trainers.settings import TrainingSettings, read_lambda


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0.0), (" 0.25", 0.25), ("1", 1.0), ("adaptive", "adaptive"), ("auxiliary", "auxiliary")],
)
def test_lambda_is_read_from_the_command_line_as_from_the_configuration(text, value):
    assert read_lambda(text) == TrainingSettings(**{"lambda": value}).lambda_ == value


@pytest.mark.parametrize("text", ["2", "-0.1", "nan", "inf", "half", "", "Adaptive"])
def test_other_lambdas_are_refused_in_both_places(text):
    with pytest.raises(ValueError, match=r"is not a number from 0 to 1, 'adaptive' or 'auxiliary'$") as caught:
        read_lambda(text)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValidationError):
        TrainingSettings(**{"lambda": text})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"workers": 3}, r"batch_size 16 must be a multiple of workers \(3\)"),
        ({"workers": 2, "shares": 3}, r"shares 3 must be a multiple of workers \(2\)"),
        ({"shares": 3}, "batch_size 16 one of shares"),
        ({"lambda_": 1.5}, "lambda"),
        ({"zero_stage": 4}, "zero_stage"),
        ({"not_finite": "hide"}, "not_finite"),
        ({"lr_warmup": 1.5}, "lr_warmup"),
        ({"origin_weights": {"gmad": -1.0}}, "origin_weights"),
        ({"origin_weights": {"gmat": 1.0}}, "'gmat' is no origin of pairs"),
        ({"epoch": 3}, "epoch"),
    ],
)
def test_a_wrong_setting_is_refused_where_it_is_made(change, message):
    with pytest.raises(ValidationError, match=message):
        TrainingSettings().changed(**change)


def test_a_batch_has_a_part_for_every_worker_unless_it_is_said_otherwise():
    assert TrainingSettings(workers=4).parts == 4
    assert TrainingSettings(shares=8).parts == TrainingSettings(workers=4, shares=8).parts == 8
    one, two = TrainingSettings(shares=2), TrainingSettings(workers=2)
    assert one.model_dump() == two.model_dump(), "a run that was begun with two workers goes on with one"
    assert (one.changed(epochs=3).workers, one.changed(epochs=3).shares) == (1, 2)


def test_what_is_not_changed_stays():
    settings = TrainingSettings(epochs=3).changed(lambda_=0.5)
    assert (settings.epochs, settings.lambda_) == (3, 0.5)
    assert settings.model_dump()["lambda"] == 0.5
