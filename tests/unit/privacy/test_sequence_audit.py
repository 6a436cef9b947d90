"""The audit of sequences: copies and what a model remembers are found, fresh sequences pass, and
what cannot fail does not pass.
"""

import edlib
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from genoloom.privacy.attack_ids import COPIES_OF_SEQUENCES, AttackId
from genoloom.privacy.rows import PrivateAttackRow
from genoloom.privacy.sequence_audit import SequenceAuditor
from genoloom.sequences import SequenceSet, canaries, decode, is_canary, join
from genoloom.validation.sequence_measures import nearest_identity
from genoloom.validation.verdicts import Role


def random_set(rng, n: int) -> SequenceSet:
    bases = rng.integers(0, 4, (n, 60)).astype(np.uint8)
    return SequenceSet(
        [str(i) for i in range(n)], bases, np.full(n, 60), [""] * n, np.arange(n), True
    )


def audited(synthetic, train, holdout, planted=None, likelihood=None, **more):
    settings = {"resamples": 199, "max_auc": 0.6, "max_compared": 400, "seed": 1} | more
    auditor = SequenceAuditor(
        "x",
        Role.GENERATOR,
        synthetic,
        train,
        holdout,
        train.take([]) if planted is None else planted,
        likelihood=likelihood,
        **settings,
    )
    return {row.attack: row for row in auditor.rows()}


def remembers(*sets: SequenceSet):
    """A likelihood that is 1 for sequences of these sets and 0 for others."""
    known = {row.tobytes() for s in sets for row in s.bases}
    return lambda s: np.array([float(row.tobytes() in known) for row in s.bases])


def test_fresh_sequences_pass():
    rng = np.random.default_rng(1)
    train, holdout, fresh = (random_set(rng, 350) for _ in range(3))
    rows = audited(fresh, train, holdout, likelihood=lambda s: s.bases[:, 0].astype(float))
    assert {row.verdict for row in rows.values()} == {"pass"}, rows
    assert set(rows) == {
        AttackId.MEMBERSHIP_BY_SAMPLES,
        AttackId.MEMBERSHIP_BY_MODEL,
        *COPIES_OF_SEQUENCES,
        AttackId.WORST,
    }
    assert all(isinstance(row, PrivateAttackRow) for row in rows.values())
    single = rows[AttackId.MEMBERSHIP_BY_SAMPLES]
    assert rows[AttackId.WORST].value == pytest.approx(single.value, abs=0.01)


def test_the_auc_is_that_of_another_library_and_lies_in_its_interval():
    rng = np.random.default_rng(2)
    train, holdout, fresh = (random_set(rng, 60) for _ in range(3))

    def composition(s: SequenceSet) -> np.ndarray:
        return (s.bases == 1).sum(axis=1).astype(float)

    train.bases[:, :2] = 1
    row = audited(fresh, train, holdout, None, composition)[AttackId.MEMBERSHIP_BY_MODEL]
    score = np.concatenate([composition(train), composition(holdout)])
    assert row.value == pytest.approx(roc_auc_score(np.repeat([1, 0], 60), score))
    assert row.low < row.value < row.high


def test_copies_and_a_model_that_remembers_fail():
    rng = np.random.default_rng(4)
    train, holdout, fresh = (random_set(rng, 100) for _ in range(3))
    copied = train.take(np.arange(100))
    copied.bases[:, ::12] = 0  # not exact
    rows = audited(copied, train, holdout)
    for attack in (AttackId.MEMBERSHIP_BY_SAMPLES, AttackId.WORST):
        assert rows[attack].verdict == "fail"
    for attack in COPIES_OF_SEQUENCES:
        expected = "pass" if attack is AttackId.EXACT_COPIES_OF_SEQUENCES else "overfitted"
        assert rows[attack].verdict == expected, attack
    exact = audited(train, train, holdout)[AttackId.EXACT_COPIES_OF_SEQUENCES]
    assert (exact.value, exact.verdict) == (1.0, "overfitted")
    rows = audited(fresh, train, holdout, likelihood=remembers(train))
    assert rows[AttackId.MEMBERSHIP_BY_MODEL].value == 1
    assert rows[AttackId.MEMBERSHIP_BY_MODEL].tpr_at_1_percent_fpr == 1
    assert rows[AttackId.MEMBERSHIP_BY_MODEL].verdict == "fail"
    # which says nothing of the data
    assert rows[AttackId.MEMBERSHIP_BY_SAMPLES].verdict != "fail"
    assert rows[AttackId.WORST].verdict != "fail"


def test_planted_sequences_are_found_when_they_are_remembered():
    rng = np.random.default_rng(5)
    train, holdout, fresh = (random_set(rng, 300) for _ in range(3))
    planted = canaries(train, 12, rng)
    assert is_canary(join(train, planted)).tolist() == [False] * 300 + [True] * 12
    knows, ignorant = (
        audited(fresh, train, holdout, planted, likelihood)
        for likelihood in (remembers(planted), lambda s: s.bases[:, 0].astype(float))
    )
    assert knows[AttackId.CANARIES_BY_MODEL].value == 1
    assert knows[AttackId.CANARIES_BY_MODEL].verdict == "fail"
    # so few can only accuse
    assert ignorant[AttackId.CANARIES_BY_MODEL].verdict == "pass"
    assert ignorant[AttackId.MEMBERSHIP_OF_CANARIES].verdict == "pass"
    assert ignorant[AttackId.WORST].verdict == "pass"
    fresh.bases[:12] = planted.bases
    given = audited(fresh, train, holdout, planted)
    assert given[AttackId.MEMBERSHIP_OF_CANARIES].value == 1
    assert given[AttackId.WORST].verdict == "fail"
    some = audited(fresh, train, holdout, planted.take(slice(5)))
    assert some[AttackId.MEMBERSHIP_OF_CANARIES].verdict == "not run"
    assert some[AttackId.WORST].verdict == "not run"


def test_what_cannot_fail_does_not_pass():
    rng = np.random.default_rng(6)
    train, holdout, fresh = (random_set(rng, 300) for _ in range(3))
    few = audited(fresh, train, holdout.take(slice(15)))
    assert few[AttackId.WORST].verdict != "pass"
    assert {few[attack].verdict for attack in COPIES_OF_SEQUENCES} == {"not run"}
    for more in ({"max_auc": 1.0}, {"resamples": 20}):
        assert audited(fresh, train, holdout, **more)[AttackId.WORST].verdict == "not run"


@pytest.mark.parametrize("stranded", [True, False])
def test_the_nearest_identity_is_that_of_all_pairs(stranded):
    rng = np.random.default_rng(7)
    targets = random_set(rng, 40)
    queries = random_set(rng, 20)
    for i in range(20):  # a relative of each among the targets, on one strand or the other
        queries.bases[i] = targets.bases[i]
        queries.bases[i, rng.permutation(60)[:10]] = rng.integers(0, 4, 10)
        if i % 2:
            queries.bases[i] = 3 - queries.bases[i, ::-1]
    both = [targets.bases] + ([] if stranded else [3 - targets.bases[:, ::-1]])
    texts = [decode(row) for bases in both for row in bases]
    expected = [
        max(1 - edlib.align(decode(row), text)["editDistance"] / 60 for text in texts)
        for row in queries.bases
    ]
    given = SequenceSet(
        *[getattr(targets, f) for f in ("name", "bases", "length", "label", "cluster")], stranded
    )
    found = nearest_identity(queries, given)
    rows = slice(0, None, 2) if stranded else slice(None)  # others have no relative to find
    np.testing.assert_allclose(found[rows], np.array(expected)[rows])
