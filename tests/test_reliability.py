"""The table of faults names tests that exist."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "reliability.md"
ELSEWHERE = {22, 23}  # the size of a cluster


def named():
    """The tests of each fault: number -> (file, function)."""
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(number): re.findall(r"`([\w/]+\.py)::(test_\w+)`", row) for number, row in rows}


def test_every_fault_has_a_test_and_every_test_that_is_named_exists():
    faults = named()
    assert list(faults) == list(range(1, 31))
    assert {number for number, tests in faults.items() if not tests} == ELSEWHERE
    for file, function in {test for tests in faults.values() for test in tests}:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (file, function)
