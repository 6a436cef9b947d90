"""Motif content and place, and the attacks on membership."""

import re

import numpy as np
import pytest

from genoloom.errors import InputError
from genoloom.sequences import SequenceSet, canaries, decode, encode, is_canary, join, reverse_complement
from genoloom.stages.validate_sequences import read_motifs
from genoloom.validation.motif_fidelity import MatrixMotif, WordMotif, find
from genoloom.validation.sequence_fidelity import Comparison

JASPAR = """>MA0001.1 BOX
A [ 0 20 0 20 20 ]
C [ 0 0 0 0 0 ]
G [ 0 0 0 0 0 ]
T [ 20 0 20 0 0 ]
"""


def random_set(rng, n: int, place: int | None = None, share: float = 0.5, strands: bool = False) -> SequenceSet:
    bases = rng.integers(0, 4, (n, 60)).astype(np.uint8)
    if place is not None:
        bases[rng.random(n) < share, place : place + 7] = encode(b"TATAAAT")
    return SequenceSet([str(i) for i in range(n)], bases, np.full(n, 60), [""] * n, np.arange(n), strands)


def test_words_and_matrices_find_what_a_regular_expression_finds(tmp_path):
    sequences = random_set(np.random.default_rng(1), 300, 20)
    (tmp_path / "m.jaspar").write_text(JASPAR)
    [matrix] = read_motifs(str(tmp_path / "m.jaspar"))
    assert matrix.name == "MA0001.1.BOX"
    for motif, pattern in ((WordMotif("TATAWAW"), "TATA[AT]A[AT]"), (matrix, "TATAA")):
        hits = find(motif, sequences)
        texts = [decode(row) for row in sequences.bases]
        expected = [(i, m.start()) for i, text in enumerate(texts) for m in re.finditer(f"(?={pattern})", text)]
        assert list(zip(hits.row.tolist(), hits.place.tolist(), strict=True)) == expected
        assert hits.usual_place() == pytest.approx(20, abs=3)
        assert hits.share_near(20) > 0.4


def test_the_other_strand_counts_where_strands_are_alike():
    sequences = random_set(np.random.default_rng(2), 200, 20, strands=True)
    flipped = SequenceSet(
        sequences.name,
        reverse_complement(sequences.bases, sequences.length),
        sequences.length,
        sequences.label,
        sequences.cluster,
        True,
    )
    one, other = (find(WordMotif("TATAWAW"), s) for s in (sequences, flipped))
    assert one.share == other.share
    assert sorted(zip(one.row, 60 - one.place - 7, strict=True)) == sorted(zip(other.row, other.place, strict=True))


@pytest.mark.parametrize("text", ["nofile.txt", "TATA,XX", "TATA,TATA"])
def test_what_is_no_motif_is_refused(text):
    with pytest.raises(InputError):
        read_motifs(text)
    assert read_motifs("") == []


def figures(synthetic, train, holdout, **more) -> dict:
    comparison = Comparison(synthetic, train, holdout, 3, 60, 30, 1, **more)
    return {f.metric: f for f in [*comparison._motifs(), *comparison.membership()]}


def test_a_motif_at_another_place_is_seen_by_place_and_position_and_not_by_content():
    rng = np.random.default_rng(3)
    train, holdout, right, moved = (random_set(rng, 200, at) for at in (20, 20, 20, 40))
    motifs = [WordMotif("TATAWAW")]
    good, bad = (figures(made, train, holdout, motifs=motifs) for made in (right, moved))
    for metric in ("motif_content:TATAWAW", "motif_at_place:TATAWAW"):
        assert good[metric].value == pytest.approx(good[metric].floor, abs=4 * good[metric].floor_sd)
    assert bad["motif_content:TATAWAW"].value == pytest.approx(good["motif_content:TATAWAW"].value, abs=0.15)
    assert bad["motif_at_place:TATAWAW"].value < 0.1
    assert bad["motif_position:TATAWAW"].value > good["motif_position:TATAWAW"].value + 10


def test_membership_is_found_in_copies_and_in_a_model_that_remembers():
    rng = np.random.default_rng(4)
    train, holdout, fresh = (random_set(rng, 100) for _ in range(3))
    copied = train.take(np.arange(100))
    copied.bases[:, ::10] = 0  # not exact
    known = {row.tobytes() for row in train.bases}
    honest = figures(fresh, train, holdout)
    assert honest["membership_by_samples"].value == pytest.approx(0.5, abs=0.15)
    assert "membership_worst" not in honest
    leaking = figures(copied, train, holdout, likelihood=lambda s: np.array([float(row.tobytes() in known) for row in s.bases]))
    assert leaking["membership_by_samples"].value > 0.9
    assert leaking["membership_by_model"].value == 1
    assert leaking["membership_worst"].value == 1


def test_a_short_sequence_has_no_hit():
    assert MatrixMotif("m", {base: [float(base == "A")] * 9 for base in "ACGT"}).places("ACG") == []


def test_planted_sequences_are_found_when_they_are_remembered():
    rng = np.random.default_rng(5)
    train, holdout, fresh = (random_set(rng, 60) for _ in range(3))
    planted = canaries(train, 12, rng)
    assert is_canary(join(train, planted)).tolist() == [False] * 60 + [True] * 12
    remembered = {row.tobytes() for row in planted.bases}
    knows = figures(
        fresh, train, holdout, planted=planted, likelihood=lambda s: np.array([float(r.tobytes() in remembered) for r in s.bases])
    )
    assert knows["membership_of_canaries"].value == 1
    assert knows["membership_worst"].value == 1
    ignorant = figures(fresh, train, holdout, planted=planted, likelihood=lambda s: np.array([float(r[0]) for r in s.bases]))
    assert 0.1 < ignorant["membership_of_canaries"].value < 0.9
