"""Motif content and place, and the attacks on membership."""

import builtins
import re
import socket
from itertools import product

import numpy as np
import pytest
from Bio.motifs.matrix import FrequencyPositionMatrix, PositionSpecificScoringMatrix
from Bio.Seq import Seq

from genoloom.errors import InputError
from genoloom.formats.motifs import fetch_matrix, read_matrices
from genoloom.sequences import SequenceSet, decode, encode, reverse_complement
from genoloom.stages.validate_sequences import read_motifs
from genoloom.validation.motif_fidelity import (
    CHANCE,
    PSEUDOCOUNT,
    STEPS,
    MatrixMotif,
    WordMotif,
    find,
    log_odds,
)
from genoloom.validation.sequence_fidelity import Comparison

JASPAR = """>MA0001.1 BOX
A [ 0 20 0 20 20 ]
C [ 0 0 0 0 0 ]
G [ 0 0 0 0 0 ]
T [ 20 0 20 0 0 ]
"""


def random_set(
    rng, n: int, place: int | None = None, share: float = 0.5, stranded: bool = True
) -> SequenceSet:
    bases = rng.integers(0, 4, (n, 60)).astype(np.uint8)
    if place is not None:
        bases[rng.random(n) < share, place : place + 7] = encode(b"TATAAAT")
    return SequenceSet(
        [str(i) for i in range(n)], bases, np.full(n, 60), [""] * n, np.arange(n), stranded
    )


def random_counts(rng, width: int, kind: str) -> dict[str, list[float]]:
    """Counts by base: of any kind, of one base at each place, or the same everywhere."""
    given = {
        "mixed": rng.integers(0, 40, (4, width)) ** 2 / 7,
        "sharp": 20 * np.eye(4)[:, rng.integers(0, 4, width)],
        "flat": np.full((4, width), 3.0),
    }
    return dict(zip("ACGT", given[kind].tolist(), strict=True))


def test_words_and_matrices_find_what_a_regular_expression_finds(tmp_path):
    sequences = random_set(np.random.default_rng(1), 300, 20)
    (tmp_path / "m.jaspar").write_text(JASPAR)
    [matrix] = read_motifs(str(tmp_path / "m.jaspar"))
    assert matrix.name == "MA0001.1.BOX"
    for motif, pattern in ((WordMotif("TATAWAW"), "TATA[AT]A[AT]"), (matrix, "TATAA")):
        hits = find(motif, sequences)
        texts = [decode(row) for row in sequences.bases]
        expected = [
            (i, m.start())
            for i, text in enumerate(texts)
            for m in re.finditer(f"(?={pattern})", text)
        ]
        assert list(zip(hits.row.tolist(), hits.place.tolist(), strict=True)) == expected
        assert hits.usual_place() == pytest.approx(20, abs=3)
        assert hits.share_near(20) > 0.4


def test_the_other_strand_counts_where_strands_are_alike():
    sequences = random_set(np.random.default_rng(2), 200, 20, stranded=False)
    flipped = SequenceSet(
        sequences.name,
        reverse_complement(sequences.bases, sequences.length),
        sequences.length,
        sequences.label,
        sequences.cluster,
        False,
    )
    one, other = (find(WordMotif("TATAWAW"), s) for s in (sequences, flipped))
    assert one.share == other.share
    assert sorted(zip(one.row, 60 - one.place - 7, strict=True)) == sorted(
        zip(other.row, other.place, strict=True)
    )


@pytest.mark.parametrize("kind", ["mixed", "sharp"])
@pytest.mark.parametrize("width", [5, 8, 15, 33])
def test_hits_on_both_strands_are_those_of_biopython(width, kind):
    rng = np.random.default_rng(width)
    counts = random_counts(rng, width, kind)
    motif, steps = MatrixMotif("m", counts), log_odds(counts)
    odds = FrequencyPositionMatrix("ACGT", counts).normalize(PSEUDOCOUNT).log_odds()
    odds = np.array([odds[base] for base in "ACGT"])
    assert (
        np.abs(odds.min() + steps * np.ptp(odds) / STEPS - odds).max()
        <= np.ptp(odds) / STEPS / 2 + 1e-9
    )
    matrix = PositionSpecificScoringMatrix("ACGT", dict(zip("ACGT", steps.tolist(), strict=True)))
    found = 0
    for length in (1, width - 1, width, width + 1, 31, 32, 33, 300, 8192, 20011):
        bases = rng.choice(5, (1, length), p=[0.249] * 4 + [0.004]).astype(np.uint8)
        for start in range(0, length - width, 97):
            bases[0, start : start + width] = steps.argmax(axis=0)
        sequences = SequenceSet(["s"], bases, np.array([length]), [""], np.arange(1), False)
        expected = set()
        for strand in (matrix, matrix.reverse_complement()) if length >= width else ():
            scores = np.atleast_1d(strand.calculate(Seq(decode(bases[0]))))
            expected |= set(
                np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) >= motif.threshold).tolist()
            )
        assert find(motif, sequences).place.tolist() == sorted(expected)
        found += len(expected)
    assert found > 100


@pytest.mark.parametrize("kind", ["mixed", "sharp", "flat"])
@pytest.mark.parametrize("width", [2, 5, 7, 9])
def test_the_threshold_is_the_lowest_with_no_more_chance_hits_than_asked_for(width, kind):
    counts = random_counts(np.random.default_rng(width), width, kind)
    words = np.array(list(product(range(4), repeat=width)))
    scores = log_odds(counts)[words, np.arange(width)].sum(axis=1)
    hits = scores >= MatrixMotif("m", counts).threshold
    assert hits.mean() <= CHANCE < (scores >= scores[~hits].max()).mean()


def test_other_letters_are_never_a_hit():
    motif = MatrixMotif("m", {base: [10 * (base == "A")] * 6 for base in "ACGT"})
    assert motif.places("AAAAAA") == [0]
    assert motif.places("NAAAAAANAAANAAA") == [1]


@pytest.mark.parametrize("text", ["nofile.txt", "TATA,XX", "TATA,TATA", ",".join(["TATAWAW"] * 60)])
def test_what_is_no_motif_is_refused(text):
    with pytest.raises(InputError):
        read_motifs(text)
    assert read_motifs("") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A [ 0", "A [ -1"),
        ("A [ 0", "A [ nan"),
        ("20 0 0 ]", "20 0 ]"),
        ("T [", "T ("),
        (JASPAR, ""),
        ("G", "X"),
    ],
)
def test_a_damaged_file_of_matrices_is_refused(old, new, tmp_path):
    (tmp_path / "m.jaspar").write_text(JASPAR.replace(old, new))
    with pytest.raises(InputError):
        read_matrices(tmp_path / "m.jaspar")


def test_matrices_of_jaspar_come_by_id_and_by_name_without_a_network(monkeypatch):
    pytest.importorskip("pyjaspar", reason="matrices of JASPAR need the optional package pyjaspar")
    monkeypatch.setattr(socket, "socket", None)
    word, matrix = read_motifs("TATAWAW, JASPAR:MA0108.2")
    assert (word.name, matrix.name, matrix.width) == ("TATAWAW", "MA0108.2.TBP", 15)
    latest = fetch_matrix("MA0108.3")
    assert latest[0] == "MA0108.3.TBP"
    assert latest == fetch_matrix("ma0108") == fetch_matrix("TBP") == fetch_matrix("tbp")
    # a name that looks like an id with its version
    assert fetch_matrix("DOF2.5")[0] == "MA0977.1.DOF2.5"
    sequences = random_set(np.random.default_rng(6), 300, 20)  # of TATAAAT
    assert find(MatrixMotif(*latest), sequences).usual_place() == pytest.approx(20, abs=3)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("MA0108.9", "neither id nor name"),
        ("MA9999", "neither id nor name"),
        ("", "neither id nor name"),
        ("x'y", "neither id nor name"),
        (
            "MAX",
            r"(?s)3 matrices.*JASPAR:MA2255.1 \(Max, insects\).*JASPAR:MA0058.4 \(MAX, "
            r"vertebrates\)",
        ),
    ],
)
def test_what_jaspar_does_not_have_once_is_refused(word, message):
    pytest.importorskip("pyjaspar", reason="matrices of JASPAR need the optional package pyjaspar")
    with pytest.raises(InputError, match=message):
        read_motifs(f"TATAWAW,JASPAR:{word}")


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("pyjaspar", lambda: read_motifs("JASPAR:TBP")),
        ("lightmotif", lambda: MatrixMotif("m", dict.fromkeys("ACGT", (1, 2)))),
    ],
)
def test_without_an_optional_package_the_command_says_what_to_install(package, use, monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *rest):
        if name == package:
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"genoloom\[motifs\]"):
        use()


def metrics(synthetic, train, holdout, **more) -> dict:
    comparison = Comparison(synthetic, train, holdout, 3, 60, 30, 1, **more)
    return {f.metric: f for f in comparison._motifs()}


def test_a_motif_at_another_place_is_seen_by_place_and_position_and_not_by_content():
    rng = np.random.default_rng(3)
    train, holdout, right, moved = (random_set(rng, 200, at) for at in (20, 20, 20, 40))
    motifs = [WordMotif("TATAWAW")]
    good, bad = (metrics(synthetic, train, holdout, motifs=motifs) for synthetic in (right, moved))
    for metric in ("motif_content", "motif_at_place"):
        assert good[metric].value == pytest.approx(
            good[metric].reference, abs=4 * good[metric].null_sd
        )
    assert bad["motif_content"].value == pytest.approx(good["motif_content"].value, abs=0.15)
    assert bad["motif_at_place"].value < 0.1
    assert bad["motif_position"].value > good["motif_position"].value + 10


def test_a_short_sequence_has_no_hit():
    assert MatrixMotif("m", {base: [float(base == "A")] * 9 for base in "ACGT"}).places("ACG") == []
