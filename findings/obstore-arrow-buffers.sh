#!/usr/bin/env bash
# obstore and pyarrow: the one library of Arrow's family takes bytes, but not the other's buffers, and gives files that it refuses
#
# Expected: what pyarrow has written into memory goes to a store without a copy, since a Buffer and its memoryview are
#   bytes-like; and a file that obstore opens can be read by pyarrow, as any file object of Python can.
# Happens: put() says "Unexpected input" of a Buffer, and of its memoryview that an int is no bytes-like object: the view
#   has the format "b" (signed), so it is taken for a sequence of numbers. cast("B") helps. A file of open_reader() lacks
#   `closed`, which pyarrow asks for first, and takes for a file that is closed.
# Versions: obstore 0.12.1, pyarrow 26.0.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   put(bytes): ok
#   put(Buffer): ValueError: Unexpected input for PutInput
#   put(memoryview(Buffer)): TypeError: a bytes-like object is required, not 'int'
#   put(memoryview(Buffer).cast("B")): ok
#   pyarrow reads bytes in memory: 2 rows
#   pyarrow reads obstore.open_reader(): ValueError: I/O operation on closed file
#   expected: ok four times, and 2 rows twice
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib obstore==0.12.1 pyarrow==26.0.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import io
import sys

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import MemoryStore

sink = pa.BufferOutputStream()
pq.write_table(pa.table({"x": [1, 2]}), sink)
buffer = sink.getvalue()
store = MemoryStore()


def tried(work):
    try:
        return work() or "ok"
    except Exception as error:  # whatever it raises is the finding
        return f"{type(error).__name__}: {error}"


forms = {
    "bytes": buffer.to_pybytes(),
    "Buffer": buffer,
    "memoryview(Buffer)": memoryview(buffer),
    'memoryview(Buffer).cast("B")': memoryview(buffer).cast("B"),
}
puts = {}
for name, data in forms.items():
    puts[name] = tried(lambda data=data: obstore.put(store, "table.parquet", data) and "ok")
    print(f"put({name}): {puts[name]}")
files = {"bytes in memory": io.BytesIO(forms["bytes"]), "obstore.open_reader()": obstore.open_reader(store, "table.parquet")}
reads = {}
for name, file in files.items():
    reads[name] = tried(lambda file=file: f"{pq.ParquetFile(file).metadata.num_rows} rows")
    print(f"pyarrow reads {name}: {reads[name]}")
print("expected: ok four times, and 2 rows twice")
refused = [answer for answer in (*puts.values(), *reads.values()) if "Error" in answer]
if len(refused) != 3:
    sys.exit(f"changed: {len(refused)} of the three are refused")
print("still there")
PYTHON
