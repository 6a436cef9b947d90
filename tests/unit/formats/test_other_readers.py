"""What we write is read by programs of others; each test is skipped where its program is
missing.
"""

import shutil
import subprocess

import numpy as np
import pysam
import pytest
from helpers import call_genoloom, make_panel

from genoloom.errors import InputError
from genoloom.formats.names import without_spaces
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.vcf_write import write_variants
from genoloom.panel import ArrayHaplotypes, Individuals, Panel, Sites

PROVENANCE = {"version": "0.1.0", "generator": "mosaic", "model": "624936b9306fbc14", "seed": 1}
N_SITES, N_INDIVIDUALS = 40, 12


def crowded_panel(names=None, first=1000, contig_length=100_000) -> Panel:
    """SNPs, insertions and deletions, two of them at one position."""
    alleles = (np.random.default_rng(1).random((N_SITES, 2 * N_INDIVIDUALS)) < 0.3).astype(np.int8)
    plain = make_panel(alleles)
    ref, alt, position = (
        np.array(values, dtype=object)
        for values in (["A"] * N_SITES, ["C"] * N_SITES, range(N_SITES))
    )
    ref[3], alt[3], ref[5], alt[5] = "ACGT", "A", "A", "AGG"
    position = first + 10 * np.arange(N_SITES)
    position[8], alt[8] = position[7], "G"
    sites = Sites("20", position, ref, alt, plain.sites.id, plain.sites.cm, contig_length)
    individuals = Individuals(
        names or [f"SYN{i:06d}" for i in range(1, N_INDIVIDUALS + 1)],
        ["POP"] * N_INDIVIDUALS,
        ["unknown"] * N_INDIVIDUALS,
    )
    return Panel(sites, individuals, ArrayHaplotypes(alleles))


@pytest.fixture(scope="module")
def panel() -> Panel:
    return crowded_panel()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, panel):
    """The panel as .vcf.gz, .bcf and PGEN."""
    folder = tmp_path_factory.mktemp("written")
    for suffix in ("vcf.gz", "bcf"):
        write_variants(folder / f"20.{suffix}", panel, PROVENANCE)
    with PanelWriter(folder / "20", panel.individuals, "20", panel.sites.contig_length) as writer:
        writer.append(panel.sites, panel.haplotypes.alleles)
    return folder


def run(*command, cwd) -> str:
    """The output of a program, which must succeed without a warning; skips where it is missing."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "warn" not in text.lower(), text
    return done.stdout


def test_scikit_allel(folder, panel):
    allel = pytest.importorskip("allel")
    read = allel.read_vcf(str(folder / "20.vcf.gz"), fields="*", alt_number=1)
    np.testing.assert_array_equal(
        read["calldata/GT"].reshape(N_SITES, -1), panel.haplotypes.alleles
    )
    np.testing.assert_array_equal(read["variants/AC"], panel.haplotypes.alleles.sum(axis=1))
    assert read["samples"].tolist() == panel.individuals.id


def test_noodles_through_oxbow(folder, panel):
    oxbow = pytest.importorskip("oxbow")
    for read, name in ((oxbow.from_vcf, "20.vcf.gz"), (oxbow.from_bcf, "20.bcf")):
        table = read(str(folder / name), samples="*").to_pandas()
        assert len(table) == N_SITES
        assert table["pos"].tolist() == panel.sites.position.tolist()
        assert set(panel.individuals.id) <= set(table.columns)


def test_vcftools(folder, panel):
    """Version 0.1 reads VCF up to 4.2."""
    run("vcftools", "--gzvcf", "20.vcf.gz", "--counts", "--out", "vt", cwd=folder)
    rows = [line.split("\t") for line in (folder / "vt.frq.count").read_text().splitlines()[1:]]
    assert [int(row[5].split(":")[1]) for row in rows] == panel.haplotypes.alleles.sum(
        axis=1
    ).tolist()


@pytest.mark.parametrize(
    "given", [("--vcf", "20.vcf.gz"), ("--bcf", "20.bcf"), ("--pfile", "20", "vzs")]
)
def test_plink2(folder, panel, given):
    run(
        "plink2",
        *given,
        "--freq",
        "counts",
        "--export",
        "haps",
        "ref-first",
        "--out",
        "p2",
        cwd=folder,
    )
    rows = [line.split() for line in (folder / "p2.haps").read_text().splitlines()]
    np.testing.assert_array_equal(
        np.array([row[5:] for row in rows], dtype=int), panel.haplotypes.alleles
    )


def test_beagle(folder, panel):
    run("beagle", "gt=20.vcf.gz", "out=phased", "nthreads=1", cwd=folder)
    calls = [record for record in pysam.VariantFile(str(folder / "phased.vcf.gz"))]
    assert [record.pos for record in calls] == panel.sites.position.tolist()
    assert list(calls[0].samples) == panel.individuals.id


def test_bcftools(folder, panel):
    assert run("bcftools", "index", "-n", "20.vcf.gz", cwd=folder).strip() == str(N_SITES)
    listed = run("bcftools", "query", "-r", "20:1000-1060", "-f", "%POS ", "20.bcf", cwd=folder)
    assert listed.split() == [str(p) for p in panel.sites.position[:7]]


@pytest.mark.parametrize("first", [2**29 - 100, 1500])
def test_contigs_too_long_for_tbi_have_csi(tmp_path, first):
    panel = crowded_panel(first=first, contig_length=2**29 + 10**6)
    (tmp_path / "20.vcf.gz.tbi").write_bytes(b"of a former run")
    assert write_variants(tmp_path / "20.vcf.gz", panel, PROVENANCE).name == "20.vcf.gz.csi"
    assert not (tmp_path / "20.vcf.gz.tbi").exists()
    with pysam.VariantFile(str(tmp_path / "20.vcf.gz")) as file:
        found = [record.pos for record in file.fetch("20", first + 50, first + 200)]
    assert found == [p for p in panel.sites.position if first + 50 < p <= first + 200]


def test_what_no_index_reaches_is_refused(tmp_path):
    with pytest.raises(InputError, match="at most 2147483646 base pairs"):
        write_variants(tmp_path / "20.vcf.gz", crowded_panel(contig_length=2**31), PROVENANCE)
    assert not list(tmp_path.iterdir())


def test_other_letters_make_it_vcf_4_3(tmp_path):
    names = [f"Ä{i}" for i in range(N_INDIVIDUALS)]
    write_variants(tmp_path / "20.vcf.gz", crowded_panel(names), PROVENANCE)
    with pysam.VariantFile(str(tmp_path / "20.vcf.gz")) as file:
        assert file.header.version == "VCFv4.3"
        assert list(file.header.samples) == names


def test_names_without_spaces_stay_apart():
    made = without_spaces(["A 1", "A_1", "A  1", "B", "B\u00a0C", " D "])
    assert made == ["A_1.2", "A_1", "A_1.3", "B", "B_C", "D"]


def test_personal_sequences_are_read_by_samtools_and_pyfaidx(tmp_path, folder):
    (tmp_path / "ref.fa").write_text(">20\n" + "ACGT" * 500 + "\n")
    text = (
        "##fileformat=VCFv4.2\n##contig=<ID=20>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="">\n'
    )
    header = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tP 1\tP_1\n"
    (tmp_path / "in.vcf").write_text(f"{text}{header}20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t1|0\n")
    done = call_genoloom(
        "consensus",
        "--variants",
        tmp_path / "in.vcf",
        "--reference",
        tmp_path / "ref.fa",
        "--out",
        tmp_path / "c.fa.gz",
    )
    assert done.returncode == 0, done.stderr
    assert "[W::" not in done.stderr
    names = ["P_1.2_1", "P_1.2_2", "P_1_1", "P_1_2"]
    assert [
        line.split("\t")[0] for line in (tmp_path / "c.fa.gz.fai").read_text().splitlines()
    ] == names
    pyfaidx = pytest.importorskip("pyfaidx")
    with pyfaidx.Fasta(str(tmp_path / "c.fa.gz")) as fasta:
        assert list(fasta.keys()) == names
        assert [str(fasta[name][4]) for name in names] == list("ACCA")
    assert run("samtools", "faidx", "c.fa.gz", "P_1.2_2:5-5", cwd=tmp_path).split("\n")[1] == "C"
