"""CPU seconds of each block of the small student's features, for a window of a video.

python benchmarks/encoder/seconds.py VIDEO [--seconds 1.6] [--repeat 5]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from trainers.student.lite.degradation import GRAPH, Degradation
from trainers.student.lite.features import BLOCKS, Views
from trainers.student.lite.naturalness import MODEL, Naturalness
from trainers.student.lite.network import Network
from trainers.student.lite.pyramid import GRAPH as PYRAMID


def main() -> None:
    """Print a line for each block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--seconds", type=float, default=1.6)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with Decoder(timeout_s=600) as decoder:
        sample = decoder.decode(options.video, 0.0, options.seconds, SampleSpec(key_frames=2, motion_frames=48))
    models = Network(PYRAMID, PYRAMID.weights()), Degradation(GRAPH.weights()), Naturalness(MODEL.weights())
    views = Views(sample.key, sample.luma, sample.fps, *models)
    for block in BLOCKS:
        block.compute(views)  # the first call allocates
        began = time.process_time()
        for _ in range(options.repeat):
            block.compute(views)
        print(f"{block.name:12} {(time.process_time() - began) / options.repeat:.3f} s")


if __name__ == "__main__":
    main()
