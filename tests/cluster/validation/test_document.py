"""Reading YAML strictly: lines, keys that stand twice, and files that are too much."""

from cluster.validation import document
from cluster.validation.document import read


def test_every_value_knows_its_line():
    found, wrong = read("a: 1\nb:\n  - c: 2\n  - d: 3\n---\ne: 4\n")
    assert wrong == []
    assert [one.tree for one in found] == [{"a": 1, "b": [{"c": 2}, {"d": 3}]}, {"e": 4}]
    assert found[0].line(("b", 1, "d")) == 4
    assert found[1].line(("e",)) == 6
    assert found[0].line(("b", 1, "missing")) == 4, "the nearest place above it"


def test_a_key_that_stands_twice_is_an_error():
    _, wrong = read("a: 1\nb: 2\na: 3\n")
    assert [(one.line, one.path) for one in wrong] == [(3, ("a",))]


def test_text_that_is_no_yaml_is_named_with_its_line():
    found, wrong = read("a: 1\nb: [\n")
    assert found == []
    assert wrong[0].what.startswith("no YAML")
    assert wrong[0].line == 3


def test_objects_of_python_are_not_made():
    found, wrong = read("a: !!python/object/apply:os.getcwd []\n")
    assert found == []
    assert "python" in wrong[0].what


def test_a_small_text_that_stands_for_many_values_is_refused(monkeypatch):
    monkeypatch.setattr(document, "MOST_VALUES", 50)
    found, wrong = read("a: &a [1, 2, 3, 4]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n")
    assert found == []
    assert "more than 50 values" in wrong[0].what


def test_a_text_that_contains_itself_is_refused():
    found, wrong = read("a: &a [*a]\n")
    assert found == []
    assert wrong
