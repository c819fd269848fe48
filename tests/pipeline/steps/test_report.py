"""When the report is made again."""

from cluster.in_process import InProcess
from pipeline.console import Console
from pipeline.report import quarantine
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.run import Run
from pipeline.settings.config import load
from pipeline.steps import report


def test_every_table_that_tells_what_could_not_be_used_brings_a_new_report(tmp_path, monkeypatch):
    """A broken file that is added to a finished run may move no figure, and must still be told."""
    layout, read = RunLayout(tmp_path), []

    def recorded(path, table):
        read.append(path)
        return table.schema.empty_table()

    for name in ("read_table", "read_shards"):
        monkeypatch.setattr(quarantine, name, recorded)
    quarantine.collect(layout, 2)
    step = report.step(Run(load("demo", stages=2), layout, Console(), InProcess()))
    assert len(read) == 6
    assert set(read) <= set(step.inputs.values())
