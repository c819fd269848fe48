"""Teachers whose scores were published: they are read from a table and computed nowhere."""

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
    """Published scores of whole videos; every window of a video has the video's score, a distorted copy has none.

    Attributes:
        file: CSV or Parquet file.
        score_columns: Names of the column of scores; the first that the file has.
        video_columns: The same for the column of names.
    """

    title = "published scores"
    licence = "that of whoever published the scores"
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
        """The columns."""
        return {"score": self.table.column, "video": " ".join(self.video_columns)}

    def weights_digest(self) -> str:
        """SHA-256 of the file: another table is another teacher."""
        return self.table.digest

    def score(self, sample: Sample) -> float:  # noqa: ARG002 - the contract's argument
        """Refuse: pixels do not tell which video they are of."""
        raise Failure("usage", f"teacher {self.name!r} knows scores by the name of a video; ask score_video")

    def score_video(self, uri: str, recipe: str, sample: Sample) -> float:  # noqa: ARG002 - the contract's argument
        """The published score.

        Raises:
            Failure: ``missing`` for a video that is not in the table and for a distorted copy.
        """
        from actors.distortions.table import PRISTINE

        if any(name != PRISTINE for name, _, _ in parse_recipe(recipe)):
            raise Failure("missing", "published scores are of videos as they are, not of distorted copies")
        return self.table.find(uri)


def table_teacher(name: str) -> type[TableTeacher]:
    """The teacher that a name of the form `SYNTAX` describes; its file is not opened yet.

    Raises:
        Failure: ``usage``, in one line.
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
