import pytest
import yaml

from actors.distortions.table import DISTORTIONS
from actors.teachers import TEACHERS, is_network
from pipeline.console import UserError
from pipeline.costs.rates import built_in, make, rates_of


def written(path, tree):
    path.write_text(yaml.safe_dump(tree))
    return str(path)


def test_every_simulator_and_teacher_has_a_rate():
    rates = built_in()
    for name, row in DISTORTIONS.items():
        assert rates.cpu_seconds(make(name, "fast")) == pytest.approx(row.cpu_s)
    for name in TEACHERS:
        assert rates.cpu_seconds(f"teacher {name}") > 0
        if is_network(name):
            assert f"gpu teacher {name}" in rates.gpu
    assert rates.cpu_seconds("teacher module:Class") == rates.cpu["teacher other"]


def test_x265_takes_longer_at_slower_presets():
    rates = built_in()
    assert rates.cpu_seconds(make("h265", "veryslow")) > 10 * rates.cpu_seconds(make("h265", "fast"))


def test_measured_rates_take_the_place_of_built_in_ones_and_scale_the_others(tmp_path):
    base = built_in()
    tree = {
        "date": "2026-11-29",
        "samples": 3,
        "cpu": {name: 2 * base.cpu[name] for name in ("decode", "vmaf", "encode")},
    }
    rates = rates_of(written(tmp_path / "rates.yaml", {**tree, "typical": {"seconds": 9.0, "bytes": 5.0}}))
    assert rates.cpu_seconds("decode") == 2 * base.cpu["decode"]
    assert rates.cpu_seconds("make vp9") == pytest.approx(2 * base.cpu["make vp9"]), "this machine is half as fast"
    assert (rates.typical.seconds, rates.typical.bytes, rates.typical.width) == (9.0, 5.0, 960.0)
    assert "3 videos measured on 2026-11-29" in rates.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpu: {decode: -1}", "cpu.decode"),
        ("cpu: {decode: .nan}", "cpu.decode"),
        ("cpu: [1", "not valid YAML"),
        ("speed: 3", "speed"),
        ("typical: {colour: 3}", "typical has no colour"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "rates.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        rates_of(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(UserError, match="plan --measure"):
        rates_of(str(tmp_path / "none.yaml"))
