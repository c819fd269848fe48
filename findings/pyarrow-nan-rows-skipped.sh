#!/usr/bin/env bash
# pyarrow: a filter finds a row with NaN or not by what its neighbours in the Parquet file are
#
# Expected: A filter of read_table gives the rows that the same filter gives on the table in memory, and is_nan(score) finds
#   each score that is NaN.
# Happens: The statistics of a row group have a minimum and a maximum without its NaN. A filter that no number between these
#   two can pass skips the row group, and with it the rows whose NaN passes: ~(score < 5), and is_nan(score) as well where all
#   other scores of the row group are equal. Another row_group_size, or the same rows in another order, gives other answers, and
#   a search for failed measurements says that there are fewer than there are.
# Versions: pyarrow 26.0.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   pyarrow 26.0.1
#   is_nan(score): clips {'in memory': [1, 10], 'row groups of 12': [1, 10], 'row groups of 4': [10], 'row groups of 1': [1,
#       10]}
#   (score < 0) | is_nan(score): clips {'in memory': [1, 10], 'row groups of 12': [1, 10], 'row groups of 4': [10], 'row
#       groups of 1': [1, 10]}
#   ~(score < 5): clips {'in memory': [1, 10], 'row groups of 12': [], 'row groups of 4': [], 'row groups of 1': [1, 10]}
#   ~is_nan(score): clips {'in memory': [0, 2, 3, 4, 5, 6, 7, 8, 9, 11], 'row groups of 12': [0, 2, 3, 4, 5, 6, 7, 8, 9,
#       11], 'row groups of 4': [0, 2, 3, 4, 5, 6, 7, 8, 9, 11], 'row groups of 1': [0, 2, 3, 4, 5, 6, 7, 8, 9, 11]}
#   expected: the rows of the memory in every file, clips 1 and 10 but for the last line
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib pyarrow==26.0.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import math
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

print("pyarrow", pa.__version__)
# Scores of twelve clips, two of which could not be measured.
table = pa.table({"clip": range(12), "score": [4.0, math.nan, 4.0, 4.0, 3.0, 2.0, 1.0, 4.0, 2.0, 3.0, math.nan, 1.0]})
score = pc.field("score")
filters = {
    "is_nan(score)": pc.is_nan(score),
    "(score < 0) | is_nan(score)": (score < 0) | pc.is_nan(score),
    "~(score < 5)": ~(score < 5),
    "~is_nan(score)": ~pc.is_nan(score),
}
found = {}
for name, condition in filters.items():
    found[name] = {"in memory": table.filter(condition)["clip"].to_pylist()}
    for rows in (12, 4, 1):
        pq.write_table(table, "scores.parquet", row_group_size=rows)
        found[name][f"row groups of {rows}"] = pq.read_table("scores.parquet", filters=condition)["clip"].to_pylist()
    print(f"{name}: clips", found[name])
print("expected: the rows of the memory in every file, clips 1 and 10 but for the last line")
if any(answers["in memory"] != [1, 10] for name, answers in found.items() if name[0] != "~" or "<" in name):
    sys.exit("changed: the filters mean something else in memory")
if all(rows == answers["in memory"] for answers in found.values() for rows in answers.values()):
    sys.exit("changed: the file gives the rows that the memory gives")
print("still there")
PYTHON
