"""List the teachers, or score videos with one.

Scoring uses a window of two seconds from the middle of each video (all of a shorter one), at its native size and rate,
with 3 key frames and up to 48 frames of luma. The published networks score the whole video, like their published code.
Scores are raw: in the teacher's own range and direction.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.media.outcome import Failure
from actors.teachers import FORMS, TEACHERS, load_teacher, teacher_class
from actors.teachers.network import NetworkTeacher
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.student.scoring import FAILED, OK
from pipeline.student.selection import expand

WINDOW_S = 2.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help=f"name of a teacher, or {FORMS}")
    parser.add_argument("videos", metavar="VIDEO", nargs="*", help="file, folder, glob or list")
    parser.add_argument(
        "--weights", metavar="FILE", help="released weights (file or folder; without it the folder weights)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """List or score; return 0, or 1 if a video failed."""
    console = Console()
    if options.name is None:
        if options.weights is not None:
            raise UserError("--weights: name the teacher that they belong to")
        return _list(sorted(TEACHERS), None, console, as_json=options.json)
    if not options.videos:
        build(options.name, options.weights)
        return _list([options.name], options.weights, console, as_json=options.json)
    teacher = build(options.name, options.weights)
    if isinstance(teacher, NetworkTeacher):
        _require(teacher)
    if teacher.non_commercial:
        console.warn(f"teacher {options.name} is for NON-COMMERCIAL use only: {teacher.licence}")
    selection = expand(options.videos)
    for note in selection.notes:
        console.line(note)
    rows = [_score(teacher, name) for name in selection.files]
    rows += [
        {"video": name, "status": FAILED, "score": None, "error": f"refused: {why}"}
        for name, why in selection.refused.items()
    ]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _show_scores(teacher, rows, console)
    return SOME_FAILED if any(row["status"] == FAILED for row in rows) else DONE


def build(name: str, weights: str | None) -> Any:
    """Build a teacher, with released weights if given.

    Raises:
        UserError: The teacher is unknown, takes no weights, or the weights are missing.
    """
    try:
        if weights is None:
            return load_teacher(name)
        kind = teacher_class(name)
        if "weights" not in inspect.signature(kind).parameters:
            raise UserError(
                f"--weights {weights}: teacher {name} takes none (its parameters: {kind.weights}); leave the option out"
            )
        if not Path(weights).expanduser().exists():
            raise UserError(f"--weights {weights}: there is no such file")
        return kind(weights=str(Path(weights).expanduser()))  # type: ignore[call-arg]
    except Failure as failure:
        raise UserError(failure.message) from failure


def _require(teacher: NetworkTeacher) -> None:
    """Check that a network's weights exist and fit, before any video is decoded.

    Raises:
        UserError: They do not.
    """
    try:
        _ = teacher.network
    except Failure as failure:
        raise UserError(failure.message) from failure


def facts(name: str, weights: str | None) -> dict[str, Any]:
    """The facts about a teacher; `error` if it cannot be loaded."""
    try:
        teacher = build(name, weights)
        missing = teacher.missing() if isinstance(teacher, NetworkTeacher) else []
        return {
            "name": name,
            "title": teacher.title,
            "description": teacher.description,
            "range": list(teacher.range),
            "higher_is_better": teacher.higher_is_better,
            "licence": teacher.licence,
            "parameters": teacher.parameters,
            "weights": teacher.weights,
            "looked_for": str(missing[0].absolute()) if missing else None,
            "digest": None if missing else teacher.digest(),
            "error": None,
        }
    except (UserError, ImportError, OSError) as error:
        return {"name": name, "error": str(error)}


def _list(names: Sequence[str], weights: str | None, console: Console, *, as_json: bool) -> int:
    rows = [facts(name, weights) for name in names]
    fine = [row for row in rows if row["error"] is None]
    if as_json:
        text = json.dumps(
            [{key: _finite(value) for key, value in row.items()} for row in rows], indent=2, allow_nan=False
        )
        sys.stdout.write(text + "\n")
    else:
        _show_table(fine)
        for row in rows:
            if row["error"] is not None:
                console.warn(f"{row['name']} cannot be loaded: {row['error']}")
    return DONE if len(fine) == len(rows) else SOME_FAILED


def _finite(value: Any) -> Any:
    """Replace the infinite ends of a range by null, since JSON has no infinity."""
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _show_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print two tables, because the texts about weights are long."""
    console = Console(sys.stdout)
    short, long = [], []
    for row in rows:
        low, high = row["range"]
        direction = "higher" if row["higher_is_better"] else "lower"
        short.append(
            (row["name"], row["title"], f"{low:g}..{high:g}", direction, f"{row['parameters']:,}", row["digest"] or "-")
        )
        looked_for = f"; not found: {row['looked_for']}" if row["looked_for"] else ""
        long.append((row["name"], row["licence"], row["weights"] + looked_for))
    console.table("teachers", ("name", "title", "range", "better", "parameters", "digest"), short)
    console.table("where they come from", ("name", "licence", "weights"), long)


def _score(teacher: Any, name: str) -> dict[str, Any]:
    """One row: the video and its raw score, or the error."""
    from actors.media.decode import Decoder
    from actors.media.scan import scan
    from actors.media.views import SampleSpec

    row: dict[str, Any] = {"video": name, "status": OK, "score": None, "error": None}
    try:
        length = scan(name).length_s
        window = 0.0 if teacher.whole_video or length <= WINDOW_S else WINDOW_S
        start = max(0.0, (length - window) / 2) if window else 0.0
        # a teacher with views uses no key frames, and those of a 4K video are large
        spec = SampleSpec(key_frames=1, views=teacher.views) if teacher.views else SampleSpec()
        with Decoder() as decoder:
            sample = decoder.decode(name, start, window, spec, seed=Path(name).name)
        row["score"] = float(teacher.score_video(name, "", sample))
    except Failure as failure:
        row |= {"status": FAILED, "error": str(failure)}
    except (ValueError, ArithmeticError, RuntimeError, IndexError) as problem:
        row |= {"status": FAILED, "error": f"teacher: {type(problem).__name__}: {problem}"}
    return row


def _show_scores(teacher: Any, rows: Sequence[dict[str, Any]], console: Console) -> None:
    low, high = teacher.range
    direction = "higher" if teacher.higher_is_better else "lower"
    title = f"{teacher.title}: {low:g}..{high:g}, {direction} is better"
    Console(sys.stdout).table(
        title, ("video", "status", "score"), [(row["video"], row["status"], row["score"]) for row in rows]
    )
    for row in rows:
        if row["status"] == FAILED:
            console.warn(row["error"] if row["video"] in row["error"] else f"{row['video']}: {row['error']}")
