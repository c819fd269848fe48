import os
import subprocess
import sys
import time
from pathlib import Path

import process_actors as actors
import pyarrow as pa
import pytest

from actors.media.outcome import Failure
from cluster import ClusterError
from cluster.in_process import InProcess
from cluster.pools import MAX_TASK_RETRIES, Pool
from cluster.processes import Processes, most_processes

PROJECT = Path(__file__).parents[2]


def table(count=20, files=10, name="v"):
    return pa.Table.from_pylist(
        [{"video_id": f"{name}{k:02d}", "uri": f"file-{k % files}", "number": k} for k in range(count)]
    )


def rows_of(engine, data, pools, progress=lambda _: None):
    rows = [row for batch in engine.stream(data, pools, progress) for row in batch]
    return sorted(rows, key=lambda row: row["video_id"])


def without_process(rows):
    return [{name: value for name, value in row.items() if name != "process"} for row in rows]


def gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_rows_are_those_of_one_process_and_all_processes_work_and_end():
    pools, progress = [Pool(actors.Slow, {"plus": 1}), Pool(actors.Doubling)], []
    with Processes(2) as engine:
        rows = rows_of(engine, table(), pools, progress.append)
        again = rows_of(engine, table(3, name="w"), pools)
    assert without_process(rows) == without_process(rows_of(InProcess(), table(), pools))
    assert without_process(again) == without_process(rows_of(InProcess(), table(3, name="w"), pools))
    assert sum(progress) == 20
    used = {row["process"] for row in rows}
    assert len(used) == 2
    assert {row["process"] for row in again} <= used, "the processes stay for the next stream"
    assert all(gone(process) for process in used)


def test_a_file_goes_to_the_process_that_has_seen_it_unless_that_is_busy():
    homes = {}
    with Processes(2) as engine:
        for name in "vw":  # two streams over the same files
            for row in rows_of(engine, table(40, 8, name), [Pool(actors.Slow)]):
                homes.setdefault(row["uri"], []).append(row["process"])
    usual = [max(seen.count(process) for process in set(seen)) / len(seen) for seen in homes.values()]
    assert sum(usual) / len(usual) > 0.8


def test_a_row_that_kills_its_process_fails_alone_and_one_that_does_it_once_does_not(tmp_path):
    data = pa.concat_tables([table(6), table(1, name="deadly"), table(1, name="once"), table(6, name="w")])
    with Processes(2) as engine:
        rows = rows_of(engine, data, [Pool(actors.Deadly, {"folder": str(tmp_path)})])
        fine = rows_of(engine, table(4), [Pool(actors.Doubling)])
    assert len(rows) == data.num_rows
    (bad,) = [row for row in rows if row.get("status") == "failed"]
    assert (bad["video_id"], bad["error_kind"]) == ("deadly00", "crash")
    assert "died at every try" in bad["error"]
    assert next(row["number"] for row in rows if row["video_id"] == "once00") == 0
    assert len(fine) == 4
    assert MAX_TASK_RETRIES >= 1


def test_pools_that_cannot_be_made_are_told_by_their_error_and_the_engine_goes_on():
    with Processes(2) as engine:
        with pytest.raises(ValueError, match="no such weights"):
            rows_of(engine, table(), [Pool(actors.Broken)])
        with pytest.raises(ClusterError, match="ended with 7 before its first file"):
            rows_of(engine, table(), [Pool(actors.Broken, {"at_once": True})])
        assert len(rows_of(engine, table(), [Pool(actors.Doubling)])) == 20


def test_a_full_disk_ends_the_stream():
    with Processes(2) as engine, pytest.raises(Failure, match="no space left"):
        rows_of(engine, table(), [Pool(actors.Full)])


def test_pools_are_closed_at_the_end_of_their_stream(tmp_path):
    with Processes(2) as engine:
        rows_of(engine, table(), [Pool(actors.Closing, {"folder": str(tmp_path)})])
        until = time.monotonic() + 10
        while len(list(tmp_path.glob("closed-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
    assert len(list(tmp_path.glob("closed-*"))) == 2


def test_a_stream_that_is_left_in_the_middle_leaves_no_row_behind():
    with Processes(2) as engine:
        first = next(engine.stream(table(), [Pool(actors.Slow)]))
        assert len(first) == 1
        rows = rows_of(engine, table(7, name="w"), [Pool(actors.Doubling)])
    assert [row["video_id"] for row in rows] == [f"w{k:02d}" for k in range(7)]


def test_a_process_that_dies_between_two_streams_is_replaced():
    with Processes(2) as engine:
        used = {row["process"] for row in rows_of(engine, table(), [Pool(actors.Slow)])}
        for process in used:
            os.kill(process, 9)
        time.sleep(0.2)
        again = rows_of(engine, table(), [Pool(actors.Doubling)])
    assert [row["number"] for row in again] == [2 * k for k in range(20)]
    assert not used & {row["process"] for row in again}


def test_an_empty_table_starts_nothing():
    with Processes(2) as engine:
        assert rows_of(engine, table(0), [Pool(actors.Broken)]) == []


def test_there_are_never_more_processes_than_rows_or_processors():
    assert 1 <= most_processes() <= len(os.sched_getaffinity(0))
    with Processes(8) as engine:
        assert len({row["process"] for row in rows_of(engine, table(2), [Pool(actors.Slow)])}) <= 2


def test_a_script_needs_no_guard_around_what_it_does(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import pyarrow as pa\n"
        "import process_actors as actors\n"
        "from cluster.pools import Pool\n"
        "from cluster.processes import Processes\n"
        "table = pa.Table.from_pylist([{'video_id': str(k), 'uri': '', 'number': k} for k in range(5)])\n"
        "with Processes(2) as engine:\n"
        "    print(sum(row['number'] for batch in engine.stream(table, [Pool(actors.Doubling)]) for row in batch))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "support")])}
    ended = subprocess.run(
        [sys.executable, script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.split() == ["20"]


def test_training_needs_ray():
    class Job:
        name = "round-1"

    with Processes(1) as engine, pytest.raises(ClusterError, match="round-1 needs Ray"):
        engine.train(Job())  # type: ignore[arg-type]
