"""One finished small run for all tests of the report, with its page."""

import pytest
from small_run import small_run

from pipeline.report.page import write_report


@pytest.fixture(scope="session")
def layout(tmp_path_factory, clip):
    """The run folder, `small_run`, with its report."""
    run = small_run(tmp_path_factory.mktemp("report"), clip)
    write_report(run)
    return run
