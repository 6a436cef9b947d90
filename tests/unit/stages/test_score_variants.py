"""Scores of variants against a window made by hand, and the VCF that comes out."""

import json
import os
from pathlib import Path

import cyvcf2
import numpy as np
import pysam
import pytest
from helpers import write_vcf

from genoloom.errors import InputError
from genoloom.formats.sequence_sets import write_fasta
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence.scoring import allele_windows
from genoloom.sequence_config import (
    SequenceContextMixingOptions,
    SequenceGanOptions,
    SequenceOptions,
)
from genoloom.sequences import decode, encode, pad, reverse_complement
from genoloom.stages.prepare_sequences import prepare_sequences
from genoloom.stages.score_variants import score_variants
from genoloom.stages.train_sequences import train_sequences
from genoloom.training_config import TrainOptions

SIZE = 40


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A reference of A and T with few C and G, and a chain that knows it."""
    folder = tmp_path_factory.mktemp("score")
    rng = np.random.default_rng(1)
    reference = decode(rng.choice(4, size=4000, p=[0.45, 0.06, 0.06, 0.43]).astype(np.uint8))
    write_fasta(folder / "ref.fa", [("20", reference)])
    options = SequenceOptions(window=SIZE, stride=SIZE, min_length=20, max_leakage=1)
    prepare_sequences(
        source=folder / "ref.fa", regions=None, out=folder / "set", options=options, seed=1
    )
    train_sequences(
        generator="context_mixing", train=folder / "set/train.fa.gz",
        model=folder / "a.safetensors",
        history=folder / "h.tsv",
        state=folder / "state", common=TrainOptions(),
        options=SequenceContextMixingOptions(max_order=3),
        seed=1, threads=1,
    )  # fmt: skip
    return folder, reference


def rows_of(reference: str, rng, n: int = 40) -> list[str]:
    """SNPs whose rare alleles are rare bases."""
    rows = []
    for position in np.sort(rng.choice(np.arange(60, 3900), n, replace=False)).tolist():
        ref = reference[position - 1]
        alt = "ACGT"["ACGT".index(ref) - int(rng.integers(1, 4))]
        common = alt in "AT"
        calls = ["1|1" if rng.random() < (0.9 if common else 0.1) else "0|0" for _ in range(4)]
        rows.append(f"{position} {ref} {alt} {' '.join(calls)}")
    return rows


def test_the_score_is_the_difference_of_two_windows_on_both_strands(project, tmp_path):
    folder, reference = project
    rows = [
        f"100 {reference[99]} {'G' if reference[99] != 'G' else 'T'} 0|1",
        f"200 {reference[199]} {reference[199]}GGT 0|1",
        f"300 {reference[299:304]} {reference[299]} 0|1",
        f"400 {reference[399]} <DEL> 0|1",
        f"3995 {reference[3994]} "
        f"{'G' if reference[3994] != 'G' else 'T'},{'T' if reference[3994] != 'T' else 'A'} 1|2",
    ]
    vcf = write_vcf(tmp_path / "in.vcf.gz", rows, ["S0"])
    score_variants(
        model=folder / "a.safetensors",
        vcf=vcf,
        fasta=folder / "ref.fa",
        out=tmp_path / "out.vcf.gz",
        report=None,
        window=None,
        threads=1,
    )
    generator, _, _ = load_sequence_generator(folder / "a.safetensors")

    def likelihood(text: str) -> float:
        bases, length = pad([encode(text.encode())])
        both = [bases, reverse_complement(bases, length)]
        return np.mean([generator.log_likelihood(x, length, length)[0] for x in both])

    written = list(cyvcf2.VCF(str(tmp_path / "out.vcf.gz"))("20"))
    assert len(written) == 5
    for variant in written[:3]:
        flank = (SIZE - len(variant.REF)) // 2
        before, rest = (
            reference[variant.POS - 1 - flank : variant.POS - 1],
            reference[variant.POS - 1 + len(variant.REF) :],
        )
        ref, alt = ((before + allele + rest)[:SIZE] for allele in (variant.REF, variant.ALT[0]))
        assert variant.INFO["GLLR"] == pytest.approx(likelihood(alt) - likelihood(ref), abs=2e-4)
    assert written[3].INFO.get("GLLR") is None
    assert len(written[4].INFO["GLLR"]) == 2
    assert "ID=GLLR,Number=A,Type=Float" in cyvcf2.VCF(str(tmp_path / "out.vcf.gz")).raw_header
    assert [v.genotypes for v in written] == [v.genotypes for v in cyvcf2.VCF(str(vcf))]


def test_scores_agree_with_frequencies_that_follow_the_composition(project, tmp_path):
    folder, reference = project
    vcf = write_vcf(
        tmp_path / "in.vcf.gz",
        rows_of(reference, np.random.default_rng(2)),
        [f"S{i}" for i in range(4)],
    )
    score_variants(
        model=folder / "a.safetensors", vcf=vcf, fasta=folder / "ref.fa", out=tmp_path / "o.bcf",
        report=tmp_path / "r.json", window=None,
        threads=1,
    )  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["alleles_scored"] == report["alleles_with_frequency"] == 40
    assert set(report["spearman"]) == {
        "context_mixing",
        "chain:markov",
        "chain:context_mixing",
        "kmer6",
    }
    own = report["spearman"]["context_mixing"]
    assert own["value"] > 0.3
    assert own["low"] < own["value"] < own["high"]
    assert own["value"] == pytest.approx(report["spearman"]["chain:context_mixing"]["value"])
    assert sum(1 for _ in pysam.VariantFile(str(tmp_path / "o.bcf"))) == 40


def test_another_reference_and_a_model_without_likelihood_are_refused(project, tmp_path):
    folder, reference = project
    wrong = "G" if reference[99] != "G" else "T"
    vcf = write_vcf(tmp_path / "in.vcf.gz", [f"100 {wrong} A 0|1"], ["S0"])
    arguments = {
        "vcf": vcf,
        "fasta": folder / "ref.fa",
        "out": tmp_path / "x" / "o.vcf.gz",
        "report": None,
        "window": None,
        "threads": 1,
    }
    with pytest.raises(InputError, match=f"20:100: REF is {wrong}"):
        score_variants(model=folder / "a.safetensors", **arguments)
    assert not list((tmp_path / "x").iterdir())
    train_sequences(
        generator="gan", train=folder / "set/train.fa.gz", model=folder / "g.safetensors",
        history=folder / "g.tsv",
        state=folder / "gan", common=TrainOptions(),
        options=SequenceGanOptions(steps=1, width=8, batch=16), seed=1, threads=1,
    )  # fmt: skip
    with pytest.raises(InputError, match="has no likelihood"):
        score_variants(model=folder / "g.safetensors", **arguments)


def test_windows_have_one_length_and_begin_at_one_place():
    rows = allele_windows("AC", ["G", "GTT", ""], "ACGTACGT", 8)
    assert [decode(row) for row in rows] == ["ACGACGTA", "ACGTTACG", "ACACGTAC"]
    assert decode(allele_windows("A", ["C"], "G", 6)[0]) == "ACGNNN"


HEAD = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS0\tS1"


def score(folder, vcf, out, **more):
    files = {
        "model": folder / "a.safetensors",
        "fasta": folder / "ref.fa",
        "report": None,
        "window": None,
        "threads": 1,
    }
    score_variants(vcf=vcf, out=out, **files | more)


def records_of(path) -> bytes:
    with pysam.BGZFile(str(path), "rb") as file:  # reads plain text as well
        return b"".join(line for line in file.read().splitlines(True) if not line.startswith(b"##"))


def text_of(path, reference: str, rows: list[str], header: list[str] | None = None):
    """A VCF of rows such as "100 T PASS AC=1 0|1 0|0" (position, ALT, FILTER, INFO, calls), as they
    are.
    """
    lines = ["##fileformat=VCFv4.2", *(["##contig=<ID=20>"] if header is None else header), HEAD]
    for row in rows:
        position, alt, filters, info, *calls = row.split()
        ref = (
            reference[int(position) - 1]
            if position.isdigit() and 0 < int(position) <= len(reference)
            else "A"
        )
        lines.append("\t".join(["20", position, ".", ref, alt, ".", filters, info, "GT", *calls]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_the_header_does_not_declare_is_declared(project, tmp_path):
    folder, reference = project
    rows = [
        "100 <DEL> q10;weak END=110;NEW=x,y;FLAG 0|1 0|0",
        "100 <DEL> PASS GLLR=9;AC=1 0|1 1|1",
        f"300 {'G' if reference[299] != 'G' else 'T'} . . 0|1 0|0",
    ]
    vcf = text_of(tmp_path / "in.vcf", reference, rows, header=[])
    for name in ("o.vcf.gz", "o.bcf", "o.vcf"):
        score(folder, vcf, tmp_path / name)
        with pysam.VariantFile(str(tmp_path / name)) as file:
            records = list(file)
            assert file.header.contigs["20"].length == 4000
        assert [r.filter.keys() for r in records] == [["q10", "weak"], ["PASS"], []]
        assert (records[0].info["NEW"], records[0].info["FLAG"], records[0].stop) == (
            ("x", "y"),
            True,
            110,
        )
        assert dict(records[1].info) == {"AC": (1,)}  # a score of a former run is gone
        assert list(records[2].info) == ["GLLR"]
        assert [r.samples["S1"]["GT"] for r in records] == [(0, 0), (1, 1), (0, 0)]
    score(folder, tmp_path / "o.bcf", tmp_path / "again.vcf.gz")
    score(folder, tmp_path / "o.vcf.gz", tmp_path / "more.vcf.gz")
    assert (
        len(
            set(
                map(
                    records_of,
                    (tmp_path / "more.vcf.gz", tmp_path / "o.vcf.gz", tmp_path / "o.vcf"),
                )
            )
        )
        == 1
    )
    with pysam.VariantFile(str(tmp_path / "again.vcf.gz")) as file:
        assert [r.info.get("GLLR") for r in file][:2] == [None, None]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["200 <DEL> . . 0|1 0|0", "100 <DEL> . . 0|1 0|0"], "20:100: the records are not sorted"),
        (
            ["100 <DEL> . . 0|1 0|0", "4001 C . . 0|1 0|0"],
            "20:4001 lies beyond the end of 20, which has 4000 bases",
        ),
        (["100 <DEL> . . 0|1 0|0", "4005 <DEL> . . 0|1 0|0"], "20:4005 lies beyond the end"),
        (["100 <DEL> . . 0|1"], "line 4: 10 columns"),
        (["0 <DEL> . . 0|1 0|0"], "line 4: POS is not from 1"),
        (["1e3 <DEL> . . 0|1 0|0"], "line 4: POS is no whole number"),
    ],
)
def test_foreign_records_are_told_and_nothing_is_left(project, tmp_path, rows, message):
    folder, reference = project
    vcf = text_of(tmp_path / "in.vcf", reference, rows)
    with pytest.raises(InputError, match=message):
        score(folder, vcf, tmp_path / "o" / "s.vcf.gz", report=tmp_path / "o" / "r.json")
    assert not list((tmp_path / "o").iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"##fileformat=VCFv4.2\n20\t5\t.\tA\tC\t.\t.\t.\n", "line 2: a record before"),
        (b"##fileformat=VCFv4.2\n##contig=<ID=20>\n", "does not end with the line #CHROM"),
        (b"20\t5\tA\tC\n", "is no VCF"),
        (b"BCF\x02\x02" + bytes(range(200)), "damaged BCF"),
        (
            f"##fileformat=VCFv4.2\n{HEAD.replace('S1', 'S0')}\n".encode(),
            "samples 1 and 2 .* have the same name",
        ),
    ],
)
def test_what_is_no_vcf_is_told(project, tmp_path, content, message):
    (tmp_path / "in.vcf.gz").write_bytes(content)
    with pytest.raises(InputError, match=message):
        score(project[0], tmp_path / "in.vcf.gz", tmp_path / "o" / "s.vcf.gz")
    assert not (tmp_path / "o").exists()


def test_records_that_cannot_be_bcf_are_refused(project, tmp_path):
    folder, reference = project
    vcf = text_of(tmp_path / "in.vcf", reference, ["100 <DEL> . . 0|1:7 0|0"])
    with pytest.raises(InputError, match="htslib cannot write it as BCF"):
        score(folder, vcf, tmp_path / "o" / "s.bcf")
    assert not list((tmp_path / "o").iterdir())


def test_a_pipe_is_read_once(project, tmp_path):
    folder, reference = project
    vcf = text_of(tmp_path / "in.vcf", reference, ["100 <DEL> . END=110 0|1 0|0"])
    read, write = os.pipe()
    os.write(write, vcf.read_bytes())
    os.close(write)
    score(folder, Path(f"/dev/fd/{read}"), tmp_path / "o.vcf")
    os.close(read)
    score(folder, vcf, tmp_path / "again.vcf")
    assert records_of(tmp_path / "o.vcf") == records_of(tmp_path / "again.vcf")
