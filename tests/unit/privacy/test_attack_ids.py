"""The identifiers of rows are what is compared; they are plain text in tables."""

from helpers import make_individuals

from genoloom.formats.tables import format_cell
from genoloom.privacy.attack_ids import MUST_PASS, WORST_ROWS, AttackId
from genoloom.privacy.audit_data import AuditData
from genoloom.validation.cohorts import compare


def test_an_identifier_is_its_text_in_a_table():
    assert {"worst": 1}[AttackId.WORST] == 1
    assert format_cell(AttackId.NEAR_COPIES_OF_INDIVIDUALS) == "near copies of individuals"
    assert len({str(attack) for attack in AttackId}) == len(AttackId)
    assert AttackId.WORST not in MUST_PASS  # the gate judges it by its figures
    assert set(WORST_ROWS) <= set(AttackId)


def test_what_needs_phase_says_so():
    individuals = compare(
        make_individuals(8), make_individuals(16), ["holdout"] * 8 + ["train"] * 8, 0, seed=1
    )
    needs = AuditData(individuals, [50], [20, 100]).needs_phase
    assert needs == {
        "haplotypes of 20 sites", "haplotypes of 100 sites", "masked locus",
        "longest copied segment", "mean copied segment",
        *(attack for attack in AttackId if attack.needs_phase),
    }  # fmt: skip
