"""`prepare` on good and bad input: messages, exit codes, and what is left on disk."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import allel
import numpy as np
import pysam
import pytest
from helpers import call_genoloom, write_vcf

from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table
from genoloom.stages.prepare import prepare

INDIVIDUALS = ["A", "B", "C", "D"]
GOOD = ["100 A C 0|1 0|1 0|0 1|1", "200 G GT 0|1 1|0 0|0 0|0", "300 T A 1|1 0|1 0|0 1|0"]


def run(path, out, **options):
    names = {"samples", "reference", "genetic_map", "region"}
    others = {k: options.pop(k) for k in list(options) if k in names}
    prepare(
        variants=path,
        contig=options.pop("contig", "20"),
        out=out,
        options=PrepareOptions(**options),
        **others,
    )
    return open_panel(out), json.loads(out.with_name(out.name + ".summary.json").read_text())


def refuse(path, out, *expected, **options):
    """`prepare` must refuse with all of `expected` in the message, and leave nothing under a final
    name.
    """
    with pytest.raises(InputError) as error:
        run(path, out, **options)
    for text in expected:
        assert text in str(error.value)
    assert not list(out.parent.glob("*")) if out.parent.exists() else True


@contextmanager
def mounted(place, options):
    """A small file system in memory at `place`; skips, visibly, where this process may not mount
    one.
    """
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
    if (
        not shutil.which("mount")
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("a file system cannot be mounted here; it needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "20"


def test_demo_panel_equals_the_vcf_read_by_scikit_allel(demo_dir, out):
    vcf = demo_dir / "eur300.chr20_1-2Mb.vcf.gz"
    panel, summary = run(
        vcf, out, samples=demo_dir / "samples.tsv", reference=demo_dir / "GRCh37.chr20_1-2Mb.fa.gz",
        genetic_map=demo_dir / "chr20.b37.gmap.gz", overlapping="keep",
    )  # fmt: skip
    calls = allel.read_vcf(str(vcf), fields=["POS", "GT", "samples"])
    genotypes = allel.GenotypeArray(calls["calldata/GT"])
    counts = genotypes.to_haplotypes().count_alleles(max_allele=1)
    kept = counts.min(axis=1) >= 2
    assert panel.individuals.id == list(calls["samples"])
    np.testing.assert_array_equal(panel.sites.position, calls["variants/POS"][kept])
    expected = genotypes.to_haplotypes().values[kept]
    np.testing.assert_array_equal(panel.haplotypes.read(0, len(panel.sites)), expected)
    rejected = read_table(f"{out}.rejected.tsv.gz")
    assert summary["records"] == 7568 == len(panel.sites) + len(rejected)
    assert summary["rejected"] == {"minor allele too rare": int((~kept).sum())}
    assert (np.diff(panel.sites.cm) >= 0).all()
    assert summary["genetic_map"]["form"] == "with a header (pos, chr, cM)"
    assert summary["genetic_map"]["sites_inside"] == 1
    # the file's own CM field there, from an older map
    assert panel.sites.cm[0] == pytest.approx(4.70374, abs=5e-3)


def test_splits_multiallelics_and_accounts_for_every_record(tmp_path, out):
    rows = [
        "100 A C,G 0|1 0|2 2|1 0|0",
        "200 G T,* 0|1 0|2 0|1 1|0",
        "300 C <DEL> 0|1 0|1 0|0 0|0",
        "400 T A 0|0 0|0 0|0 0|1",
        "500 T A .|. 0|1 0|1 0|1",
        "600 A C 0|1 0|1 0|0 0|0",
        "600 A C 0|1 1|1 0|0 0|0",
        "600 A G 0|0 0|0 1|0 0|1",
        "700 A . 0|0 0|0 0|0 0|0",
        "800 G C 0|1 .|1 0|1 0|1",
    ]
    path = write_vcf(tmp_path / "in.vcf.gz", rows, INDIVIDUALS)
    panel, summary = run(path, out, max_missing=0.25)
    assert [key[0:3] for key in panel.sites.keys()] == [
        (100, "A", "C"), (100, "A", "G"), (200, "G", "T"), (500, "T", "A"), (600, "A", "C"),
        (600, "A", "G"), (800, "G", "C"),
    ]  # fmt: skip
    assert summary["rejected"] == {
        "duplicate site": 1, "minor allele too rare": 1, "no alternate allele": 1,
        "symbolic or * allele": 2,
    }  # fmt: skip
    assert summary["records"] + summary["added_by_splitting"] == summary["kept"] + sum(
        summary["rejected"].values()
    )
    assert summary["half_missing_calls_set_missing"] == 1
    alleles = panel.haplotypes.read(0, 7)
    assert alleles[0].tolist() == [0, 1, 0, 0, 0, 1, 0, 0]
    assert alleles[1].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert alleles[3].tolist() == [-1, -1, 0, 1, 0, 1, 0, 1]
    assert alleles[6].tolist() == [0, 1, -1, -1, 0, 1, 0, 1]


def test_multiallelics_can_be_rejected(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", ["100 A C,G 0|1 0|2 2|1 0|0", *GOOD[1:]], INDIVIDUALS)
    panel, summary = run(path, out, multiallelic="reject")
    assert summary["rejected"] == {"multiallelic": 1}
    assert panel.sites.position.tolist() == [200, 300]


def test_region_needs_an_index_and_keeps_what_begins_inside(tmp_path, out):
    path = write_vcf(
        tmp_path / "in.vcf.gz", ["90 AAAAAAAAAAAAAAA A 0|1 0|1 0|0 1|1", *GOOD], INDIVIDUALS
    )
    panel, summary = run(path, out, region=(100, 200))
    assert panel.sites.position.tolist() == [100, 200]
    assert summary["records"] == 2
    (tmp_path / "in.vcf.gz.tbi").unlink()
    refuse(path, tmp_path / "again" / "20", "no index", "tabix -p vcf", region=(100, 200))


def test_a_file_without_index_is_streamed(tmp_path, out):
    path = write_vcf(
        tmp_path / "in.vcf.gz", [*GOOD, "21:100 A C 0|1 0|1 0|0 1|1"], INDIVIDUALS, index=False
    )
    panel, _ = run(path, out)
    assert len(panel.sites) == 3


def test_bcf_and_pgen_give_the_panel_of_the_vcf(tmp_path, demo_dir, out):
    vcf = demo_dir / "eur300.chr20_1-2Mb.vcf.gz"
    bcf = tmp_path / "in.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(vcf), catch_stdout=False)
    first, _ = run(vcf, out)
    second, _ = run(bcf, tmp_path / "bcf" / "20")
    third, summary = run(out.with_name("20.pgen"), tmp_path / "pgen" / "20")
    n = len(first.sites)
    for other in (second, third):
        assert other.sites.keys() == first.sites.keys()
        np.testing.assert_array_equal(other.haplotypes.read(0, n), first.haplotypes.read(0, n))
    assert summary["records"] == summary["kept"] == n


def test_unphased_genotypes(tmp_path, out):
    rows = [
        "100 A C 0|1 0|1 0|0 1|1",
        "200 G T 0/1 1|0 0|0 0/1",
        "300 T A 1|1 0|1 0/0 1/1",
        "400 C A 0|1 0/1 0|0 1|0",
    ]
    path = write_vcf(tmp_path / "in.vcf.gz", rows, INDIVIDUALS)
    refuse(
        path,
        out,
        "3 heterozygous genotypes are not phased",
        "20:200",
        "--allow-unphased drop-sites or drop-individuals",
    )
    panel, summary = run(path, tmp_path / "sites" / "20", allow_unphased="drop-sites")
    assert panel.sites.position.tolist() == [100, 300]
    assert summary["rejected"] == {"unphased": 2}


def test_dropping_individuals_leaves_those_without_unphased_calls(tmp_path, out):
    rows = ["100 A C 0|1 0|1 0|0 1|1", "200 G T 0/1 1|0 0|1 0|1"]
    panel, summary = run(
        write_vcf(tmp_path / "in.vcf.gz", rows, INDIVIDUALS), out, allow_unphased="drop-individuals"
    )
    assert panel.individuals.id == ["B", "C", "D"]
    assert (summary["individuals_in_input"], summary["individuals_in_panel"]) == (4, 3)


def test_real_mixed_phase_file(demo_dir, out):
    path = demo_dir / "eur203_mixedphase.chr20_1-2Mb.vcf.gz"
    refuse(path, out, "heterozygous genotypes are not phased", "20:10")
    panel, summary = run(path, out, allow_unphased="drop-sites")
    assert summary["rejected"]["unphased"] > 0
    assert summary["records"] == 7568
    assert len(panel.sites) == summary["kept"]


@pytest.mark.parametrize("keep", [28, 1000])
def test_truncated_file(tmp_path, demo_dir, out, keep):
    whole = (demo_dir / "eur300.chr20_1-2Mb.vcf.gz").read_bytes()
    path = tmp_path / "cut.vcf.gz"
    path.write_bytes(whole[:-keep])
    refuse(path, out, "is truncated", "copy or download the file again")
    # cut in the middle, end-of-file block in place
    path.write_bytes(whole[: len(whole) // 2] + whole[-28:])
    refuse(path, out, str(path))


def test_truncated_plain_gzip(tmp_path, demo_dir, out):
    text = gzip.decompress((demo_dir / "eur300.chr20_1-2Mb.vcf.gz").read_bytes())
    path = tmp_path / "plain.vcf.gz"
    path.write_bytes(gzip.compress(text)[:-2000])
    refuse(path, out, "truncated or damaged")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["100 A C 0 1 0 1"], ("20:100: haploid calls", "females only")),
        (["100 A C 0|1 1 0|0 1|0"], ("20:100", "haploid calls next to diploid ones")),
        (["100 A C 0|0|1 0|1|1 0|0|0 0|0|0"], ("20:100: ploidy 3",)),
        (
            ["100 A C 0|0 0|0 0|0 0|1"],
            ("no site of 20 is left of 1 records", "1 minor allele too rare", "--min-mac"),
        ),
        (["21:100 A C 0|1 0|1 0|0 1|0"], ("no record of contig '20'",)),
    ],
)
def test_refused_records(tmp_path, out, rows, expected):
    refuse(write_vcf(tmp_path / "in.vcf.gz", rows, INDIVIDUALS), out, *expected)


def test_unsorted_records(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", [GOOD[1], GOOD[0]], INDIVIDUALS, index=False)
    refuse(path, out, "20:100 comes after 20:200", "bcftools sort")


def test_duplicate_samples(tmp_path, out):
    refuse(
        write_vcf(tmp_path / "in.vcf.gz", GOOD, ["A", "B", "A", "D"]),
        out,
        "samples 1 and 3 (counted from 1) have the same name",
    )


def test_contig_names(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS)
    refuse(path, out, "has no contig 'chr20', but '20'", "ask for contig '20'", contig="chr20")
    fasta = tmp_path / "ref.fa"
    fasta.write_text(">chr20\n" + "A" * 400 + "\n")
    refuse(path, out, "contig '20' is called 'chr20'", "--rename-chrs", reference=fasta)
    fasta2 = tmp_path / "ref2.fa"
    fasta2.write_text(">7\n" + "A" * 400 + "\n")
    refuse(path, out, "contig '20' is not in", reference=fasta2)


def test_reference_mismatch_and_iupac(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS)
    bases = list("A" * 400)
    bases[199] = "K"  # G or T: allows the REF G at 200
    bases[299] = "C"
    fasta = tmp_path / "ref.fa"
    fasta.write_text(">20\n" + "".join(bases) + "\n")
    refuse(
        path, out, "20:300: REF is T", "expected: C", "--reference-mismatch reject", reference=fasta
    )
    panel, summary = run(path, out, reference=fasta, reference_mismatch="reject")
    assert panel.sites.position.tolist() == [100, 200]
    assert summary["ambiguous_reference_bases"] == 1
    assert summary["rejected"] == {"REF differs from the reference": 1}


def test_fasta_with_spaces_in_sequence_lines(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS)
    fasta = tmp_path / "ref.fa"
    fasta.write_text(">20 a name with spaces is fine\nACGT ACGT\n")
    refuse(path, out, "line 2: the character ' ' in a sequence line", "sed", reference=fasta)


def test_published_fasta_with_spaces(shared_data, tmp_path, out):
    refuse(
        write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS), out, "in a sequence line",
        reference=shared_data / "nonhuman" / "pinf_sc50.orig.fasta.gz",
    )  # fmt: skip


def test_missing_calls_and_multiallelics_of_a_non_human_file(shared_data, out):
    folder = shared_data / "nonhuman"
    panel, summary = run(
        folder / "pinf_sc50.vcf.gz",
        out,
        contig="Supercontig_1.50",
        reference=folder / "pinf_sc50.clean.fa.gz",
        max_missing=0.2,
    )
    assert summary["records"] == 22031
    assert summary["records"] + summary["added_by_splitting"] == summary["kept"] + sum(
        summary["rejected"].values()
    )
    assert (panel.haplotypes.read(0, 2000) == -1).any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("individual\tpopulation\nA\tX\nB\tX\nC\tX\n", "1 to 20 samples of"),
        (
            "individual\tpopulation\nA\tX\nB\tX\nC\tX\nD\tX\nE\tX\n",
            "the first is the sheet's individual 5",
        ),
        (
            "individual\tpopulation\nA\tX\nA\tX\n",
            "line 3: names the individual of another line again",
        ),
        ("individual\tpop\nA\tX\n", "has no column 'population'"),
        ("individual\tpopulation\tsex\nA\tX\tboy\n", "line 2: sex 'boy'"),
        ("individual\tpopulation\nA\t\n", "line 2: individual or population is empty"),
        ("", "is empty"),
    ],
)
def test_bad_sheets(tmp_path, out, text, expected):
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(text)
    refuse(write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS), out, expected, samples=sheet)


def test_sheet_with_byte_order_mark_crlf_and_comments(tmp_path, out):
    sheet = tmp_path / "samples.tsv"
    rows = [
        "# made by hand",
        "individual\tpopulation\tsex\tfamily",
        "A\tX\tM\tf1",
        "B\tX\t2\tf1",
        "C\tY\tfemale\t",
        "D\tY\t\t",
    ]
    sheet.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")
    panel, _ = run(write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS), out, samples=sheet)
    assert panel.individuals.population == ["X", "X", "Y", "Y"]
    assert panel.individuals.sex == ["male", "female", "female", "unknown"]
    assert panel.individuals.family == ["f1", "f1", "", ""]


def test_command_line_exit_code_and_message(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", ["100 A C 0/1 0|1 0|0 1|1"], INDIVIDUALS)
    done = call_genoloom("prepare", "--variants", path, "--contig", "20", "--out", out)
    assert done.returncode == 2
    assert "20:100" in done.stderr
    assert "--allow-unphased" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(out.parent.glob("*"))
    done = call_genoloom(
        "prepare", "--variants", path, "--contig", "20", "--out", out, "--max-missing", "3"
    )
    assert done.returncode == 2
    assert "--max-missing" in done.stderr


def test_output_directory_that_cannot_be_made(tmp_path):
    path = write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS)
    (tmp_path / "file").write_text("in the way")
    done = call_genoloom(
        "prepare", "--variants", path, "--contig", "20", "--out", tmp_path / "file" / "20"
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_read_only_output_directory(tmp_path):
    """A file system that is mounted read-only: root may write into any other directory."""
    place = tmp_path / "frozen"
    place.mkdir()
    with mounted(place, "ro"):
        path = write_vcf(tmp_path / "in.vcf.gz", GOOD, INDIVIDUALS)
        done = call_genoloom("prepare", "--variants", path, "--contig", "20", "--out", place / "20")
    assert done.returncode == 2
    assert "the output directory cannot be written" in done.stderr
    assert "choose a writable directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_space_left(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    rng = np.random.default_rng(1)
    samples = [f"S{i}" for i in range(200)]
    calls = [" ".join(f"{a}|{b}" for a, b in rng.integers(0, 2, (200, 2))) for _ in range(3000)]
    path = write_vcf(
        tmp_path / "in.vcf.gz", [f"{i + 1} A C {c}" for i, c in enumerate(calls)], samples
    )
    with mounted(small, "size=64k"):
        done = call_genoloom("prepare", "--variants", path, "--contig", "20", "--out", small / "20")
        assert not list(small.iterdir())
    assert done.returncode == 2
    assert "no space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupt_leaves_nothing(tmp_path, demo_dir, out):
    rows = [f"{i + 1} A C " + " ".join(["0|1"] * 100) for i in range(60_000)]
    path = write_vcf(tmp_path / "in.vcf.gz", rows, [f"S{i}" for i in range(100)], index=False)
    command = [
        sys.executable,
        "-m",
        "genoloom",
        "prepare",
        "--variants",
        path,
        "--contig",
        "20",
        "--out",
        out,
    ]

    def heed_interrupts():  # a shell that starts the tests in the background has them ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        [*map(str, command)], stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        for _ in range(600):
            if out.parent.exists() and list(out.parent.iterdir()):
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        message = process.stderr.read()
    assert process.returncode == 130, message
    assert not list(out.parent.iterdir())


def test_names_are_those_that_plink_files_can_hold(tmp_path):
    """White space is written as _, and nobody is taken for another; 0 stands for nobody and is
    refused.
    """
    names = ["A 1", "A_1", "B\u00a0 2"]
    plain = "\t".join(
        [
            "##fileformat=VCFv4.3\n##contig=<ID=20>\n#CHROM",
            "POS",
            "ID",
            "REF",
            "ALT",
            "QUAL",
            "FILTER",
            "INFO",
            "FORMAT",
        ]
    )
    rows = "".join(f"20\t{p}\t.\tA\tC\t.\tPASS\t.\tGT\t0|1\t1|0\t1|1\n" for p in (5, 9))
    (tmp_path / "in.vcf").write_text("\t".join([plain, *names]) + "\n" + rows)
    (tmp_path / "samples.tsv").write_text(
        "individual\tpopulation\n" + "".join(f"{name}\tP{i}\n" for i, name in enumerate(names))
    )
    options = PrepareOptions(min_mac=1)
    prepare(
        variants=tmp_path / "in.vcf",
        contig="20",
        out=tmp_path / "20",
        options=options,
        samples=tmp_path / "samples.tsv",
    )
    individuals = open_panel(tmp_path / "20").individuals
    assert individuals.id == ["A_1.2", "A_1", "B_2"]
    assert individuals.population == ["P0", "P1", "P2"]
    (tmp_path / "in.vcf").write_text("\t".join([plain, "0", "A", "B"]) + "\n" + rows)
    with pytest.raises(InputError, match=r"sample 1 .* is called '0'"):
        prepare(variants=tmp_path / "in.vcf", contig="20", out=tmp_path / "21", options=options)
