"""What two runs are compared by: their tables and their networks."""

import hashlib

import pyarrow.parquet as pq

from pipeline.run_folder.digests import digest


def digests_of(layout, rounds):
    """Digest of every table and of every network of a run, by its place; not of what tells how long it took.

    Clips that a run renders lie in its own folder: places in tables count from there.
    """
    kinds = (".parquet", ".safetensors")
    files = [path for path in layout.root.rglob("*") if path.suffix in kinds and layout.scratch not in path.parents]
    files += [
        layout.student(number) / name for number in range(1, rounds + 1) for name in ("config.json", "anchors.json")
    ]
    return {path.relative_to(layout.root).as_posix(): _contents(path, layout.root) for path in files}


def _contents(path, root):
    if path.suffix != ".parquet":
        return digest(path)
    rows = [
        {name: value.replace(str(root), "") if isinstance(value, str) else value for name, value in row.items()}
        for row in pq.read_table(path).to_pylist()
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()
