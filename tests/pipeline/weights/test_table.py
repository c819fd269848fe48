import pytest
from pydantic import ValidationError

from actors.teachers import TEACHERS, is_network, teacher_class
from pipeline.console import UserError
from pipeline.weights.table import Weights, chosen, table


def test_every_published_teacher_finds_its_weights_where_they_are_put():
    places = {row.place for row in table().values()}
    for name in TEACHERS:
        if is_network(name):
            assert set(teacher_class(name).files) <= places, name


def test_a_licence_in_the_table_is_that_of_the_teacher():
    for name in TEACHERS:
        if is_network(name):
            kind, row = teacher_class(name), table()[name]
            assert row.non_commercial == kind.non_commercial, name


def test_links_are_encrypted_and_digests_are_digests():
    for row in table().values():
        assert str(row.url or row.by_hand or "https://").startswith("https://")
    with pytest.raises(ValidationError):
        Weights.model_validate(
            {"title": "x", "for": "x", "licence": "x", "revision": "x", "place": "../x", "url": "https://x"}
        )


def test_an_unknown_name_says_which_are_known():
    with pytest.raises(UserError, match="fastvqa"):
        chosen(["fast"])
