"""What each published network is shown of a video: which native frames, and how each becomes a small picture.

A `View` is planned from a clip's size alone and filled while the clip is decoded once, frame by frame, so that no more
than one native frame is held at a time. Pictures stay uint8 RGB until the network normalises them. The rules are those
of the released single-video scripts of each model, exactly: sampling, offsets, resizing and rounding.

`clip` holds the size of a video and the draws of offsets, `sampling` says which frames are taken, `interpolation`,
`fragments` and `pictures` make pictures of them, `plans` is the table of views, and `gathering` fills them.

The package is imported as usual and also loaded by path inside the decoder's child process, where the project is not on
the import path: its modules import each other by relative names and nothing else of the project.
"""

from .clip import CLIP, Clip, centre, seeded, zero
from .gathering import Gatherer, gather
from .plans import VIEWS, View, plan

__all__ = ["CLIP", "VIEWS", "Clip", "Gatherer", "View", "centre", "gather", "plan", "seeded", "zero"]
