"""The identifiers of rows are what is compared; they are plain text in tables."""

import pytest

from genoloom.formats.tables import format_cell
from genoloom.privacy.attack_ids import MUST_PASS, WORST_ROWS, AttackId, Scored


def test_an_identifier_is_its_text_in_a_table():
    assert {"worst": 1}[AttackId.WORST] == 1
    assert format_cell(AttackId.NEAR_COPIES_OF_INDIVIDUALS) == "near copies of individuals"
    assert len({str(attack) for attack in AttackId}) == len(AttackId)
    assert AttackId.WORST not in MUST_PASS  # the gate judges it by its figures
    assert set(WORST_ROWS) <= set(AttackId)


def test_every_attack_says_what_it_measures_in_one_line():
    assert len({attack.title for attack in AttackId}) == len(AttackId)
    for attack in AttackId:
        assert 20 < len(attack.help) < 100, attack
        assert "\n" not in attack.help


def test_an_attack_with_windows_is_read_as_it_was_written():
    for scored in (Scored(AttackId.HAPLOTYPES, 20), Scored(AttackId.WHITENED)):
        assert Scored.parse(str(scored)) == scored
    for text in ("", "nearest", "nearest; ", "nearest; x", "none; 0"):
        with pytest.raises(ValueError, match=r"is not a valid|invalid literal"):
            Scored.parse(text)
