"""Open reading frames, codons in frame, the spacing of motifs, and what guidance does to labels."""

import re

import numpy as np
import pytest
from Bio.Data import CodonTable
from Bio.Seq import Seq
from scipy.spatial.distance import jensenshannon

from genoloom.sequences import SequenceSet, decode, encode, pad
from genoloom.validation.coding_fidelity import (
    CODONS,
    codon_counts,
    codon_distance,
    in_frame_stops,
    longest_orfs,
)
from genoloom.validation.label_fidelity import guidance_curve
from genoloom.validation.motif_fidelity import WordMotif, find, spacing
from genoloom.validation.sequence_fidelity import Comparison

ORF = "ATG" + "GCC" * 9 + "TAA"  # ten codons and a stop
SENSE = [codon for codon in CODONS if codon not in CodonTable.unambiguous_dna_by_id[1].stop_codons]


def as_set(texts: list[str], stranded: bool = True, labels: list[str] | None = None) -> SequenceSet:
    bases, length = pad([encode(text.encode()) for text in texts])
    n = len(texts)
    return SequenceSet(
        [str(i) for i in range(n)], bases, length, labels or [""] * n, np.arange(n), stranded
    )


def by_translation(text: str, stranded: bool) -> int:
    """The longest open reading frame, from Biopython's translation of each frame."""
    best = 0
    for strand in [Seq(text), Seq(text).reverse_complement()][: 1 if stranded else 2]:
        for frame in range(3):
            codons = [str(strand[i : i + 3]) for i in range(frame, len(strand) - 2, 3)]
            protein = "".join(
                "X" if "N" in codon else str(Seq(codon).translate()) for codon in codons
            )
            best = max([best, *map(len, re.findall("M[^*X]*", protein))])
    return best


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_an_open_reading_frame_is_found_in_each_of_six_frames(frame):
    forward = "A" * frame + ORF + "CC"
    backward = str(Seq(forward).reverse_complement())
    for stranded, found in ((True, [10, 0]), (False, [10, 10])):
        assert longest_orfs(as_set([forward, backward], stranded)).tolist() == found


def test_an_open_reading_frame_ends_at_a_stop_an_unknown_base_or_the_end():
    texts = ["ATGGCCTGAGCCGCC", "ATGGCCGNCGCCGCC", "ATGGCCGCCGCCGC", "GCCGCC", "AT", "ATGATGTAGATG"]
    assert longest_orfs(as_set(texts)).tolist() == [2, 2, 4, 0, 0, 2]


@pytest.mark.parametrize("stranded", [False, True])
def test_open_reading_frames_are_those_of_translations(stranded):
    rng = np.random.default_rng(1)
    texts = [
        "".join(rng.choice(list("ACGTN"), rng.integers(3, 200), p=[0.3, 0.15, 0.2, 0.3, 0.05]))
        for _ in range(200)
    ]
    assert longest_orfs(as_set(texts, stranded)).tolist() == [
        by_translation(text, stranded) for text in texts
    ]


def coding(rng, n: int, weight: np.ndarray, stops: float = 0.0, codons: int = 110) -> SequenceSet:
    """Sequences in frame of ATG, random sense codons and a stop; some have a stop in their
    middle.
    """
    texts = []
    for _ in range(n):
        words = ["ATG", *rng.choice(SENSE, codons, p=weight / weight.sum()), "TAA"]
        if rng.random() < stops:
            words[codons // 2] = "TGA"
        texts.append("".join(words))
    return as_set(texts)


def test_codons_are_counted_in_the_frame_of_the_first_base():
    rng = np.random.default_rng(2)
    a, b = (coding(rng, 20, rng.random(len(SENSE))) for _ in range(2))
    expected = []
    for s in (a, b):
        words = [text[i : i + 3] for text in map(decode, s.bases) for i in range(0, len(text), 3)]
        expected.append(np.array([words.count(codon) for codon in CODONS]))
        np.testing.assert_array_equal(codon_counts(s), expected[-1])
    assert codon_distance(a, b) == pytest.approx(jensenshannon(*expected, base=2), abs=1e-5)
    assert codon_distance(a, a) == pytest.approx(0, abs=1e-6)
    # neither half a codon nor an unknown one
    assert codon_counts(as_set(["ATGGCCAT", "NNNGCC"])).sum() == 3


def test_stops_within_the_frame_leave_out_the_last_codon():
    texts = ["ATGTAAGCCTAA", "GATAAGCC", "ATGTAA", "TAA", "TAATAATAATAG", "TAGN"]
    np.testing.assert_allclose(in_frame_stops(as_set(texts)), [1 / 3, 0, 0, 0, 1, 0])


def metrics(synthetic, train, holdout, **more) -> dict:
    comparison = Comparison(synthetic, train, holdout, 3, 20, 30, 1, learnt=False, **more)
    return {f.metric: f for f in [*comparison._motifs(), *comparison._coding()]}


def verdict(metric) -> str:
    return metric.row("x", "generator", metric.value).verdict


def test_coding_figures_tell_other_codons_and_stops_from_real_genes():
    rng = np.random.default_rng(3)
    usual, other = rng.random(len(SENSE)), rng.random(len(SENSE))
    train, holdout, good = (coding(rng, 100, usual) for _ in range(3))
    bad = coding(rng, 100, other, stops=0.5)
    right, wrong = (metrics(synthetic, train, holdout, coding="frame") for synthetic in (good, bad))
    assert set(right) == {
        "orf_length_distance",
        "orf_share",
        "codon_usage_distance",
        "in_frame_stops",
    }
    assert {verdict(f) for f in right.values()} == {"pass"}
    assert right["orf_share"].reference == 1
    assert {
        verdict(wrong[metric]) for metric in ("orf_share", "codon_usage_distance", "in_frame_stops")
    } == {"fail"}
    assert wrong["in_frame_stops"].value == pytest.approx(0.5 / 111, abs=0.001)
    assert set(metrics(good, train, holdout, coding="orfs")) == {"orf_length_distance", "orf_share"}
    short = [coding(rng, 40, usual, codons=20) for _ in range(3)]
    # none can have 100 codons
    assert set(metrics(*short, coding="orfs")) == {"orf_length_distance"}
    assert metrics(good, train, holdout) == {}


def pairs(rng, n: int, gap: int, share: float = 0.8, stranded: bool = True) -> SequenceSet:
    """GATTACA and, `gap` to `gap` + 2 bases from start to start after it, CCATTGG, somewhere in
    random sequences.
    """
    bases = rng.integers(0, 4, (n, 120)).astype(np.uint8)
    for row in (bases[i] for i in np.flatnonzero(rng.random(n) < share)):
        at = int(rng.integers(0, 50))
        row[at : at + 7] = encode(b"GATTACA")
        row[at + gap + int(rng.integers(0, 3)) :][:7] = encode(b"CCATTGG")
    return SequenceSet(
        [str(i) for i in range(n)], bases, np.full(n, 120), [""] * n, np.arange(n), stranded
    )


def test_spacing_is_that_of_the_nearest_hits_and_signed_on_one_strand():
    words = WordMotif("GATTACA"), WordMotif("CCATT")
    texts = [
        "GATTACA" + "T" * 20 + "CCATT" + "T" * 10 + "GATTACA",
        "CCATTGATTACA",
        "GATTACA",
        "CCATT",
    ]
    for stranded, expected in ((True, [-16.0, -6.0]), (False, [16.0, 6.0])):
        s = as_set(texts, stranded)
        hits = [find(word, s) for word in words]
        found = spacing(*words, *hits, stranded)
        assert found.tolist() == expected
        back = spacing(words[1], words[0], hits[1], hits[0], stranded)
        assert back.tolist() == [-x if stranded else x for x in expected]


def test_spacing_is_the_same_on_the_other_strand():
    words = WordMotif("GATTACA"), WordMotif("CCATTGG")
    s = pairs(np.random.default_rng(4), 60, 20, stranded=False)
    other = as_set([str(Seq(decode(row)).reverse_complement()) for row in s.bases], stranded=False)
    one, two = (spacing(*words, *(find(word, x) for word in words), False) for x in (s, other))
    assert len(one) >= 40
    np.testing.assert_array_equal(one, two)


def test_spacing_of_planted_pairs_is_judged_and_left_out_where_real_sequences_lack_them():
    rng = np.random.default_rng(5)
    motifs = [WordMotif("GATTACA"), WordMotif("CCATTGG"), WordMotif("TTTTTTTTTTT")]
    train, holdout, good, moved, lone = (
        pairs(rng, 120, gap, share) for gap, share in [(20, 0.8)] * 3 + [(30, 0.8), (20, 0.05)]
    )
    right, wrong, missing = (
        metrics(synthetic, train, holdout, motifs=motifs) for synthetic in (good, moved, lone)
    )
    name = "motif_spacing"
    assert [metric for metric in right if "spacing" in metric] == [name]
    assert right[name].bin == "GATTACA~CCATTGG"
    assert verdict(right[name]) == "pass"
    assert right[name].value < 1
    assert wrong[name].value == pytest.approx(10, abs=1)
    assert verdict(wrong[name]) == "fail"
    assert verdict(missing[name]) == "not run"
    assert not any(
        "spacing" in metric for metric in metrics(good, train, holdout, motifs=motifs[:1])
    )


def labelled(rng, n: int, meant: float) -> SequenceSet:
    """Random sequences of two labels; a share `meant` of those of the second has a motif."""
    bases = rng.integers(0, 4, (n, 60)).astype(np.uint8)
    second = np.arange(n) % 2 == 1
    bases[second & (rng.random(n) < meant), 10:25] = encode(b"ATATAAACCCGGGTT")
    return SequenceSet(
        [str(i) for i in range(n)],
        bases,
        np.full(n, 60),
        np.where(second, "yes", "no").tolist(),
        np.arange(n),
        True,
    )


def test_the_guidance_curve_rises_with_what_the_label_means_to_its_ceiling():
    rng = np.random.default_rng(6)
    synthetic = {
        weight: labelled(rng, 200, meant) for weight, meant in ((0.0, 0.0), (1.0, 0.5), (2.0, 1.0))
    }
    curve = guidance_curve(synthetic, labelled(rng, 300, 1.0), 200, 1)
    assert curve["weight"] == [0.0, 1.0, 2.0]
    assert curve["measure"] == "balanced accuracy"
    assert curve["chance"] == 0.5
    assert curve["ceiling"] > 0.9
    assert curve["fidelity"] == sorted(curve["fidelity"])
    assert curve["fidelity"] == pytest.approx([0.5, 0.75, curve["ceiling"]], abs=0.12)
    assert curve["gc_only"] == pytest.approx([0.5] * 3, abs=0.15)
    assert guidance_curve(synthetic, as_set(["ACGT"] * 40), 200, 1) == {}
