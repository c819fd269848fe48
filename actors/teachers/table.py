"""Teachers with published scores: the scores are read from a table instead of computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl

from actors.media.outcome import Failure
from actors.media.rows import parse_recipe
from actors.media.views import Sample
from actors.teachers.base import Teacher
from actors.teachers.score_table import VIDEO_COLUMNS, ScoreTable

SCHEME = "table:"
SYNTAX = "table:FILE?score=COLUMN, with &video=COLUMN for other names and &better=lower where a low score is good"
SCORE_COLUMNS = ("score", "prediction")


class TableTeacher(Teacher):
    """Published scores of whole videos: every window of a video has the video's score, a distorted copy has none.

    Attributes:
        file: CSV or Parquet file.
        score_columns: Names of the score column; the first one that the file has is used.
        video_columns: Names of the video column, likewise.
    """

    title = "published scores"
    licence = "set by the publisher of the scores"
    parameters = 0
    range = (-math.inf, math.inf)
    whole_video = True
    file: ClassVar[str]
    score_columns: ClassVar[tuple[str, ...]]
    video_columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        try:
            self.table = ScoreTable(self.file, self.score_columns, self.video_columns)
        except Failure as failure:
            raise Failure("usage", f"teacher {self.name!r}: {failure.message}") from failure

    def settings(self) -> Mapping[str, str]:
        """The names of the columns."""
        return {"score": self.table.column, "video": " ".join(self.video_columns)}

    def weights_digest(self) -> str:
        """SHA-256 of the file: a different table is a different teacher."""
        return self.table.digest

    def score(self, sample: Sample) -> float:  # noqa: ARG002 - the contract's argument
        """Raise a Failure: pixels do not identify a video."""
        raise Failure("usage", f"teacher {self.name!r} looks scores up by the name of the video; call score_video")

    def score_video(self, uri: str, recipe: str, sample: Sample) -> float:  # noqa: ARG002 - the contract's argument
        """The published score.

        Raises:
            Failure: `missing`: the video is not in the table, or it is a distorted copy.
        """
        from actors.distortions.table import PRISTINE

        if any(name != PRISTINE for name, _, _ in parse_recipe(recipe)):
            raise Failure("missing", "published scores apply to the original videos, not to distorted copies")
        return self.table.find(uri)


def table_teacher(name: str) -> type[TableTeacher]:
    """Make the teacher class for a name of the form `SYNTAX`; its file is not opened yet.

    Raises:
        Failure: `usage`: the name does not have this form.
    """
    file, _, query = name.removeprefix(SCHEME).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = set(options) - {"score", "video", "better"}
    if not file or unknown or options.get("better", "higher") not in {"higher", "lower"} or "" in options.values():
        raise Failure("usage", f"teacher {name!r} is not of the form {SYNTAX}")
    columns = (options["score"],) if "score" in options else SCORE_COLUMNS
    facts = {
        "__doc__": TableTeacher.__doc__,
        "name": name,
        "description": f"column {' or '.join(columns)} of {Path(file).name}",
        "higher_is_better": options.get("better", "higher") == "higher",
        "weights": f"the table {file}",
        "file": file,
        "score_columns": columns,
        "video_columns": (options["video"],) if "video" in options else VIDEO_COLUMNS,
    }
    return type("TableTeacher", (TableTeacher,), facts)
