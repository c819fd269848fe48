import cv2
import numpy as np
import pytest

from actors.media.scan import scan
from pipeline.serve.examples import EXAMPLES, Examples


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return Examples(tmp_path_factory.mktemp("examples"))


def errors(path, other):
    """Mean squared difference of each picture of one file from that of another."""
    one, two, found = cv2.VideoCapture(str(path)), cv2.VideoCapture(str(other)), []
    while (read := one.read())[0]:
        found.append(float(np.square(read[1][::2, ::2].astype(np.float32) - two.read()[1][::2, ::2]).mean()))
    return np.array(found)


def test_an_example_is_what_its_title_says(examples):
    clean, coarse, dip = (examples.path(example.name) for example in EXAMPLES)
    assert {scan(path).length_s for path in (clean, coarse, dip)} == {6.0}
    found = errors(dip, clean)
    bad, good = found[31:59], np.concatenate([found[:29], found[62:]])
    assert bad.min() > 3 * good.max()
    assert errors(coarse, clean).min() > 3 * good.max()


def test_an_example_is_made_once_and_none_is_made_of_another_name(examples):
    one = examples.path("dip")
    made = one.stat().st_mtime_ns
    assert examples.path("dip").stat().st_mtime_ns == made
    with pytest.raises(KeyError):
        examples.path("../clean")
