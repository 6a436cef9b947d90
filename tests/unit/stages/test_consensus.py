"""Personal sequences: ploidies, regions, symbolic alleles, and errors."""

import gzip
import os
import shutil
import subprocess
import tracemalloc

import numpy as np
import pysam
import pytest
from helpers import call_genoloom, read_fasta, write_vcf

from genoloom.errors import InputError
from genoloom.stages.consensus import PIECE, consensus, consensus_of_regions

needs_bcftools = pytest.mark.skipif(
    shutil.which("bcftools") is None, reason="bcftools is not installed"
)


def write_reference(path, rng, length: int = 400) -> str:
    bases = "".join(rng.choice(list("ACGT"), length))
    path.write_text(f">20\n{bases}\n")
    return bases


def by_bcftools(fasta, vcf, sample: str, haplotype: int) -> str:
    """What the command line tool makes of one haplotype of a FASTA of one sequence."""
    command = [
        "bcftools",
        "consensus",
        "-f",
        str(fasta),
        "-s",
        sample,
        "-H",
        str(haplotype),
        str(vcf),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return "".join(done.stdout.splitlines()[1:])


def test_ploidy_is_an_individuals_own(tmp_path):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    other = {base: "ACGT"["ACGT".index(base) - 1] for base in "ACGT"}
    alt = [other[bases[p - 1]] for p in (50, 60, 70)]
    rows = [
        f"50 {bases[49]} {alt[0]} 1 0|1 0 .",
        f"60 {bases[59]} {alt[1]} 1 1|0 0/1 1",
        f"70 {bases[69]} {alt[2]} . 1|1 1/0 .",
    ]
    vcf = write_vcf(tmp_path / "in.vcf.gz", rows, ["MALE", "FEMALE", "MIX", "GAPS"])
    consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz")
    made = read_fasta(tmp_path / "out.fa.gz")
    changes = {
        name: "".join("1" if text[p - 1] != bases[p - 1] else "0" for p in (50, 60, 70))
        for name, text in made.items()
    }
    assert changes == {
        "MALE_1": "110",
        "FEMALE_1": "011",
        "FEMALE_2": "101",
        "MIX_1": "001",
        "GAPS_1": "010",
    }


def test_a_pipe_gives_what_its_file_gives(tmp_path):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    alt = "A" if bases[49] != "A" else "C"
    vcf = write_vcf(tmp_path / "in.vcf.gz", [f"50 {bases[49]} {alt} 1|0 0|1"], ["S0", "S1"])
    read, write = os.pipe()
    os.write(write, vcf.read_bytes())
    os.close(write)
    for source, name in ((vcf, "file"), (f"/dev/fd/{read}", "pipe")):
        out = tmp_path / f"{name}.fa.gz"
        consensus(variants=source, reference=tmp_path / "ref.fa", out=out, contig="20")
    os.close(read)
    assert (tmp_path / "file.fa.gz").read_bytes() == (tmp_path / "pipe.fa.gz").read_bytes()


def test_unphased_calls_of_diploid_individuals_are_refused(tmp_path):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    alt = "A" if bases[49] != "A" else "C"
    vcf = write_vcf(tmp_path / "in.vcf.gz", [f"50 {bases[49]} {alt} 0/1 0|1"], ["S0", "S1"])
    with pytest.raises(InputError, match="20:50: a heterozygous genotype is not phased"):
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz")
    assert not list(tmp_path.glob("out*"))


def test_mitochondria_are_those_of_bcftools(shared_data, tmp_path):
    """Every 60th of the 1,074 individuals: haploid, missing and heteroplasmic calls, overlapping
    indels.
    """
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    folder = shared_data / "sequences"
    lines = (folder / "rCRS.fasta").read_text().splitlines()
    fasta, vcf = tmp_path / "MT.fa", tmp_path / "mt.vcf.gz"
    fasta.write_text("\n".join([">MT", *lines[1:]]) + "\n")
    with (
        gzip.open(folder / "1kgp_phase1_chrMT_1074.vcf.gz", "rb") as source,
        pysam.BGZFile(str(vcf), "wb") as target,
    ):
        target.write(source.read())
    pysam.tabix_index(str(vcf), preset="vcf")
    samples = list(pysam.VariantFile(str(vcf)).header.samples)[::60]
    few = tmp_path / "few.vcf.gz"
    subprocess.run(
        ["bcftools", "view", "-s", ",".join(samples), "-Oz", "-o", str(few), str(vcf)], check=True
    )
    pysam.tabix_index(str(few), preset="vcf")
    consensus(variants=few, reference=fasta, out=tmp_path / "out.fa.gz", threads=2)
    made = read_fasta(tmp_path / "out.fa.gz")
    assert list(made) == [f"{sample}_1" for sample in samples]
    assert all(made[f"{sample}_1"] == by_bcftools(fasta, few, sample, 1) for sample in samples)


@needs_bcftools
def test_regions_are_those_of_bcftools(tmp_path, demo_dir):
    vcf, fasta = demo_dir / "eur300.chr20_1-2Mb.vcf.gz", demo_dir / "GRCh37.chr20_1-2Mb.fa.gz"
    (tmp_path / "genes.bed").write_text("20\t1100000\t1130000\tone\n20\t1500000\t1510000\n")
    consensus_of_regions(
        regions=tmp_path / "genes.bed",
        variants=vcf,
        reference=fasta,
        out=tmp_path / "out",
        individuals=2,
    )
    assert sorted(p.name for p in (tmp_path / "out").glob("*.gz")) == [
        "20_1500001-1510000.fa.gz",
        "one.fa.gz",
    ]
    made = read_fasta(tmp_path / "out" / "one.fa.gz")
    assert list(made) == ["HG00096_1", "HG00096_2", "HG00097_1", "HG00097_2"]
    part = tmp_path / "part.fa"
    part.write_text(
        f">20:1100001-1130000\n{pysam.FastaFile(str(fasta)).fetch('20', 1_100_000, 1_130_000)}\n"
    )
    equal = {
        name: text == by_bcftools(part, vcf, name[:-2], int(name[-1]))
        for name, text in made.items()
    }
    assert all(equal.values()), equal


def test_command_line_says_what_does_not_go_together(tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("20\t0\t10\n")
    (tmp_path / "x").write_text("")
    done = call_genoloom(
        "consensus", "--variants", tmp_path / "x", "--reference", tmp_path / "x", "--out", tmp_path,
        "--regions", bed,
        "--region", "1-5",
    )  # fmt: skip
    assert done.returncode == 2
    assert "neither --region nor --chain" in done.stderr


def symbolic_vcf(path, rows, samples=("S0", "S1"), header=(), ps=False):
    """A bgzip VCF of (position, ref, alt, info, calls), indexed, with whatever it takes."""
    lines = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=20>",
        "##contig=<ID=21>",
        *header,
        '##INFO=<ID=END,Number=1,Type=Integer,Description="">',
        '##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="">',
        '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="">',
        "\t".join(
            ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]
        ),
    ]
    for position, ref, alt, info, calls in rows:
        lines.append(
            "\t".join(
                [
                    "20",
                    str(position),
                    ".",
                    ref,
                    alt,
                    ".",
                    ".",
                    info,
                    "GT:PS" if ps else "GT",
                    *calls.split(),
                ]
            )
        )
    path.with_suffix("").write_text("\n".join(lines) + "\n")
    pysam.tabix_compress(str(path.with_suffix("")), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def random_records(rng, bases: str, n: int, individuals: int):
    """SNPs, insertions, deletions, several alternates and symbolic deletions, many of them
    overlapping.
    """
    rows = []
    for position in np.sort(rng.choice(np.arange(2, len(bases) - 40), n, replace=False)).tolist():
        ref = bases[position - 1 : position - 1 + int(rng.choice([1, 1, 1, 2, 5]))]
        info, alts = ".", set()
        if rng.random() < 0.15:
            ref, alts, info = (
                ref[0],
                {"<DEL>"},
                f"END={position + int(rng.integers(1, 30))};SVLEN=-5",
            )
        while not alts:
            fresh = (
                ref[0] + "".join(rng.choice(list("ACGT"), 4)),
                ref[0],
                "ACGT"[int(rng.integers(4))],
            )
            alts = {alt for alt in fresh if alt != ref and rng.random() < 0.4}
        calls = ["|".join(map(str, rng.integers(0, len(alts) + 1, 2))) for _ in range(individuals)]
        rows.append((position, ref, ",".join(sorted(alts)), info, " ".join(calls)))
    return rows


@needs_bcftools
@pytest.mark.parametrize("seed", range(3))
def test_symbolic_deletions_and_regions_are_those_of_bcftools(tmp_path, seed):
    rng = np.random.default_rng(seed)
    bases = write_reference(tmp_path / "ref.fa", rng, 900)
    vcf = symbolic_vcf(tmp_path / "in.vcf.gz", random_records(rng, bases, 40, 2))
    consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz", threads=2)
    made = read_fasta(tmp_path / "out.fa.gz")
    assert {
        name: by_bcftools(tmp_path / "ref.fa", vcf, name[:-2], int(name[-1])) for name in made
    } == made
    start = int(rng.integers(50, 500))
    consensus(
        variants=vcf,
        reference=tmp_path / "ref.fa",
        out=tmp_path / "r.fa.gz",
        region=(start, start + 200),
    )
    (tmp_path / "part.fa").write_text(
        f">20:{start}-{start + 200}\n{bases[start - 1 : start + 200]}\n"
    )
    made = read_fasta(tmp_path / "r.fa.gz")
    assert {
        name: by_bcftools(tmp_path / "part.fa", vcf, name[:-2], int(name[-1])) for name in made
    } == made


def test_alleles_without_bases_are_left_out_and_counted(tmp_path, caplog):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    other = "A" if bases[99] != "A" else "C"
    rows = [
        (50, bases[49], "<INS>", ".", "0|1 1|1"),
        (60, bases[59], "<DUP:TANDEM>", "END=80", "0|1 0/1"),
        (70, bases[69], f"{bases[69]}[20:90[", ".", "1|0 0|0"),
        (90, bases[89], "<DEL>", ".", "0|1 0|0"),
        (95, bases[94], "*,<*>", ".", "1|2 2|1"),
        (100, bases[99], f"<CNV>,{other}", "SVLEN=30", "1|2 2|2"),
        (120, bases[119], "<DEL>", "SVLEN=-10", "0|0 0|1"),
    ]  # fmt: skip
    vcf = symbolic_vcf(tmp_path / "in.vcf.gz", rows)
    with caplog.at_level("WARNING"):
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz")
    changed = f"{bases[:99]}{other}{bases[100:]}"
    expected = {
        "S0_1": bases,
        "S0_2": changed,
        "S1_1": changed,
        "S1_2": changed[:120] + changed[130:],
    }
    assert read_fasta(tmp_path / "out.fa.gz") == expected
    told = "1 of <CNV>, 1 of <DEL> without a length, 1 of <DUP>, 1 of <INS>, 1 of breakends"
    assert told in caplog.text


def test_without_variants_comes_the_reference(tmp_path):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    vcf = symbolic_vcf(tmp_path / "in.vcf.gz", [(50, bases[49], "<INS>", ".", "0|1 1|1")])
    consensus(
        variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "r.fa.gz", region=(301, 350)
    )
    assert set(read_fasta(tmp_path / "r.fa.gz").values()) == {bases[300:350]}
    with open(tmp_path / "ref.fa", "a") as handle:
        handle.write(">21\nACGTACGT\n>chr22\nAC\n")
    (tmp_path / "ref.fa.fai").unlink()
    (tmp_path / "r.bed").write_text("20\t0\t20\ta\n21\t2\t6\tb\n")
    consensus_of_regions(
        regions=tmp_path / "r.bed",
        variants=vcf,
        reference=tmp_path / "ref.fa",
        out=tmp_path / "out",
    )
    assert set(read_fasta(tmp_path / "out" / "b.fa.gz").values()) == {"GTAC"}
    (tmp_path / "r.bed").write_text("chr22\t0\t2\n")
    with pytest.raises(InputError, match="chr22"):
        consensus_of_regions(
            regions=tmp_path / "r.bed",
            variants=vcf,
            reference=tmp_path / "ref.fa",
            out=tmp_path / "none",
        )
    empty = symbolic_vcf(tmp_path / "empty.vcf.gz", [])
    with pytest.raises(InputError, match="records of 2 contigs"):
        consensus(variants=empty, reference=tmp_path / "ref.fa", out=tmp_path / "e.fa.gz")


@pytest.mark.parametrize("name", ["n" * 201, "n" * 5000, "ä" * 150, "a/b", "tab\x01"])
def test_intervals_need_names_of_files(tmp_path, name):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    vcf = symbolic_vcf(tmp_path / "in.vcf.gz", [(50, bases[49], "<INS>", ".", "0|1 1|1")])
    (tmp_path / "r.bed").write_text(f"20\t0\t20\tfine\n20\t20\t40\t{name}\n")
    with pytest.raises(InputError, match="interval 2: its name is no name of a file"):
        consensus_of_regions(
            regions=tmp_path / "r.bed",
            variants=vcf,
            reference=tmp_path / "ref.fa",
            out=tmp_path / "out",
        )
    with pytest.raises(InputError, match="bytes too long"):
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / f"{'o' * 245}.fa.gz")
    assert not (tmp_path / "out").exists()


def told(tmp_path, rows, fasta: str, **more) -> str:
    (tmp_path / "ref.fa").write_text(f">20\n{fasta}\n")
    vcf = symbolic_vcf(tmp_path / "in.vcf.gz", rows, samples=("Nina-77", "Otto-88"), **more)
    with pytest.raises(InputError) as caught:
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out" / "c.fa.gz")
    assert not list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else True
    assert "Nina" not in str(caught.value)
    assert "individual" not in str(caught.value)
    return str(caught.value)


def test_every_reason_is_told_as_what_it_is(tmp_path):
    fasta = "ACGTR" + "ACGT" * 20
    assert "20:5: REF is N, where the FASTA has the ambiguity code R" in told(
        tmp_path, [(5, "N", "C", ".", "0|0 0|1")], fasta
    )
    assert "20:6: REF is C\n  expected: A, as in" in told(
        tmp_path, [(6, "C", "T", ".", "0|0 0|1")], fasta
    )
    assert "20:90 reaches to 90, beyond the end of the contig" in told(
        tmp_path, [(90, "C", "T", ".", "0|0 0|0")], fasta
    )
    assert "20:84 reaches to 87, beyond the end" in told(
        tmp_path, [(84, "GTAC", "G", ".", "0|0 0|0")], fasta
    )
    assert "20:10 reaches to 99, beyond the end" in told(
        tmp_path, [(10, "A", "<DEL>", "END=99", "0|0 0|0")], fasta
    )
    assert "20:6: a genotype has the allele 2" in told(
        tmp_path, [(6, "A", "T", ".", "0|0 0|2")], fasta
    )
    sets = [(6, "A", "T", ".", "0|1:6 0|0:."), (10, "A", "T", ".", "0|1:10 1|1:.")]
    assert "20:10: a heterozygous genotype is in another phase set" in told(
        tmp_path, sets, fasta, ps=True
    )


def test_a_crash_of_bcftools_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "genoloom.stages.consensus.pysam.bcftools.consensus",
        lambda *_, **__: os.kill(os.getpid(), 9),
    )
    assert "20:1-84: bcftools consensus ended without a word" in told(
        tmp_path, [(6, "C", "T", ".", "0|0 0|1")], "ACGT" * 21
    )


def test_the_remedy_for_ambiguity_codes_works(tmp_path):
    remedy = told(tmp_path, [(5, "N", "C", ".", "0|0 0|1")], "ACGTR" + "ACGT" * 20).partition(
        "as well: "
    )[2]
    command = remedy.replace("FASTA", str(tmp_path / "ref.fa")).replace(
        "NEW.fa", str(tmp_path / "new.fa")
    )
    subprocess.run(command, shell=True, check=True)
    consensus(
        variants=tmp_path / "in.vcf.gz", reference=tmp_path / "new.fa", out=tmp_path / "c.fa.gz"
    )
    assert read_fasta(tmp_path / "c.fa.gz")["Otto-88_2"] == "ACGTC" + "ACGT" * 20


def test_the_same_bytes_whatever_the_threads_and_the_pieces(tmp_path, monkeypatch):
    """Deletions cross the borders of pieces of one line."""
    rng = np.random.default_rng(7)
    bases = write_reference(tmp_path / "ref.fa", rng, 900)
    vcf = symbolic_vcf(tmp_path / "in.vcf.gz", random_records(rng, bases, 30, 2))
    made = []
    for threads, piece in ((1, PIECE), (3, 60)):
        monkeypatch.setattr("genoloom.stages.consensus.PIECE", piece)
        folder = tmp_path / str(threads)
        arguments = {
            "variants": vcf,
            "reference": tmp_path / "ref.fa",
            "out": folder / "c.fa.gz",
            "chain": folder / "c.chain.gz",
        }
        consensus(**arguments, threads=threads)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {"c.fa.gz", "c.fa.gz.fai", "c.fa.gz.gzi", "c.chain.gz"}


def test_memory_does_not_grow_with_the_contig(tmp_path, monkeypatch):
    """What bcftools holds is in a process of its own, and measured by the benchmark `scale`."""
    monkeypatch.setattr("genoloom.stages.consensus.PIECE", 60 << 10)
    line, lines = "ACGT" * 15, 50_000
    (tmp_path / "ref.fa").write_text(">20\n" + f"{line}\n" * lines)
    vcf = write_vcf(tmp_path / "in.vcf.gz", ["5 A C 0|1"], ["S0"])
    tracemalloc.start()
    try:
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    made = read_fasta(tmp_path / "out.fa.gz")
    assert made == {"S0_1": line * lines, "S0_2": "ACGTC" + (line * lines)[5:]}
    assert peak < len(line) * lines / 2


def test_parts_of_the_individuals_give_the_same_bytes(tmp_path):
    """In jobs of their own, one of them of nobody; and what is no part of these is refused."""
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1), 300_000)
    rows = [f"{p} {bases[p - 1]} {'A' if bases[p - 1] != 'A' else 'C'} 0|1 1|1" for p in (5, 99)]
    vcf = write_vcf(tmp_path / "in.vcf.gz", rows, ["FIRST", "SECOND"])
    words = "consensus", "--variants", vcf, "--reference", tmp_path / "ref.fa"
    assert call_genoloom(*words, "--out", tmp_path / "whole.fa.gz").returncode == 0
    parts = [tmp_path / f"{k}.fa.gz" for k in (1, 2, 3)]
    for k, path in enumerate(parts, 1):
        done = call_genoloom(*words, "--part", f"{k}/3", "--out", path)
        assert done.returncode == 0, done.stderr
    given = [word for path in parts for word in ("--parts", path)]
    done = call_genoloom(*words, *given, "--out", tmp_path / "gathered.fa.gz")
    assert done.returncode == 0, done.stderr
    for suffix in ("", ".fai", ".gzi"):
        whole, gathered = (tmp_path / f"{name}.fa.gz{suffix}" for name in ("whole", "gathered"))
        assert whole.read_bytes() == gathered.read_bytes(), suffix
    done = call_genoloom(*words, *given[-2:], "--out", tmp_path / "x.fa.gz")
    assert done.returncode == 2
    assert "not those of" in done.stderr
    assert not (tmp_path / "x.fa.gz").exists()
