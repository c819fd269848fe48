"""The table of students: rows, typed options, and that nothing else of the program names a student."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from trainers.student.lite.options import BlockName
from trainers.student.table import STUDENTS, student_class, student_row

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", STUDENTS)
def test_every_row_names_a_class_of_that_name_and_its_options_have_defaults(name):
    row = student_row(name)
    assert student_class(name).name == row.name == name
    assert row.parse().saved() == row.parse({}).saved()
    assert row.encoder is not None
    assert (row.judge is None) == row.whole_videos, "what is large needs torch to judge"
    assert row.base
    assert row.licence


def test_a_student_that_is_not_in_the_table_is_refused():
    with pytest.raises(ValueError, match="unknown student 'os:system': choose one of lite, llava, qwen3_vl"):
        student_row("os:system")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lite", {"hiden": 4}, "the student lite has no option 'hiden'; nearest: student.options.hidden"),
        (
            "lite",
            {"checkpoint": "x"},
            "the student lite has no option 'checkpoint'; its options: hidden, dropout, blocks",
        ),
        ("qwen3_vl", {"motion": "x"}, "the student qwen3_vl has no option 'motion'; "),
        (
            "llava",
            {"visionrate": 1},
            "the student llava has no option 'visionrate'; nearest: student.options.vision_rate",
        ),
        ("lite", {"hidden": -1}, "student.options.hidden: input should be greater than or equal to 0 (given: -1)"),
        ("lite", {"dropout": 1.5}, "student.options.dropout: input should be less than or equal to 1 (given: 1.5)"),
        (
            "lite",
            {"blocks": ["native", "tenth"]},
            "student.options.blocks: input should be 'degradation', 'native', 'half'",
        ),
        ("lite", {"blocks": []}, "student.options.blocks: "),
        ("lite", {"blocks": ["half", "half"]}, "student.options.blocks: a block is named twice"),
        ("llava", {"trained": "all"}, "student.options.trained: input should be 'published', 'lora' or 'full'"),
        ("llava", {"dtype": "bf16"}, "student.options.dtype: input should be 'float32', 'bfloat16' or 'float16'"),
        ("qwen3_vl", {"rank": 0}, "student.options.rank: "),
        ("qwen3_vl", {"vision_rate": float("nan")}, "student.options.vision_rate: "),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(name, options, message):
    with pytest.raises(ValueError, match=r"option") as caught:
        student_row(name).parse(options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_may_be_written_as_yaml_reads_them():
    options = student_row("llava").parse({"vision_rate": "1e-1", "rank": 8})  # YAML 1.1 takes 1e-1 for a word
    assert options.vision_rate == 0.1
    assert options.rank == 8


def test_the_blocks_that_may_be_asked_for_are_those_that_there_are():
    from trainers.student.lite.features import BLOCKS

    assert get_args(BlockName) == tuple(block.name for block in BLOCKS)


def test_the_table_is_read_without_torch():
    code = "import sys, trainers.student.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


def test_only_the_table_and_the_students_themselves_name_a_student():
    own = set((PROJECT / "trainers/student").rglob("*.py"))
    files = {
        file for folder in ("pipeline", "actors", "cluster", "trainers") for file in (PROJECT / folder).rglob("*.py")
    }
    strings = {
        f"{file.relative_to(PROJECT)}:{node.lineno}: {node.value!r}"
        for file in files - own
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in STUDENTS
    }
    assert not strings
