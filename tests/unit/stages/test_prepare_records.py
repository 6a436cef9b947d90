"""`prepare`, record by record: each one is used or listed, and what is rejected cannot stop a
run.
"""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pysam
import pytest
import zstandard
from click.testing import CliRunner
from helpers import write_vcf
from variant_files import as_bcf, bgzip, text_of

from genoloom.cli import genoloom
from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import open_panel
from genoloom.formats.plink import open_plink
from genoloom.formats.tables import read_table
from genoloom.panels.preparation import examine
from genoloom.stages.prepare import prepare

GOOD = ["20 100 A C PASS GT 0|1 0|1 1|0 0|0 1|1 0|0", "20 200 G T . GT 0|1 0|1 0|0 1|1 0|0 0|1"]


@pytest.fixture
def run(tmp_path):
    """Prepare a VCF of rows: the panel, the summary and the rejected rows."""

    def prepared(rows, contig="20", reference=None, region=None, **options):
        path = tmp_path / "in.vcf.gz"
        path.write_bytes(bgzip(text_of(rows)))
        if region:
            pysam.tabix_index(str(path), preset="vcf", force=True)
        out = tmp_path / "out" / contig
        prepare(
            variants=path,
            contig=contig,
            out=out,
            options=PrepareOptions(**options),
            reference=reference,
            region=region,
        )
        summary = json.loads((tmp_path / "out" / f"{contig}.summary.json").read_text())
        return open_panel(out), summary, read_table(f"{out}.rejected.tsv.gz")

    return prepared


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "ref.fa"
    bases = list("A" * 500)
    bases[199] = "G"
    path.write_text(">20\n" + "".join(bases) + "\n")
    return path


def test_every_record_is_used_or_listed(run):
    """Random records of every kind: the counts add up, and the table has a row for each that is not
    in the panel.
    """
    rng = np.random.default_rng(8)
    rows = []
    for position in np.sort(rng.integers(0, 3000, 600)):
        alt = rng.choice(
            ["C", "C,T", "c", "A", "T,t", "*", "<DEL>", ".", "C,<DUP>", "AT,ACC", "N[20:5["]
        )
        n = alt.count(",") + 1 if alt != "." else 0
        calls = rng.choice([f"{a}|{b}" for a in range(n + 1) for b in range(n + 1)] + ["."], 6)
        rows.append(
            f"20 {position} {rng.choice(['A', 'A', 'a', 'R'])} {alt} "
            f"{rng.choice(['PASS', '.', 'q10'])} GT {' '.join(calls)}"
        )
    for options in ({}, {"filters": "all", "multiallelic": "reject"}, {"region": (500, 2000)}):
        panel, summary, rejected = run(rows, max_missing=0.3, **options)
        low, high = options.get("region", (0, 3000))
        assert summary["records"] == sum(low <= int(row.split()[1]) <= high for row in rows)
        assert summary["kept"] == len(panel.sites)
        assert sum(summary["rejected"].values()) == len(rejected)
        assert summary["records"] + summary["added_by_splitting"] == summary["kept"] + len(rejected)
        assert len(set(panel.sites.keys())) == len(panel.sites)
        assert all(ref in "ACGT" and set(alt) <= set("ACGT") for _, ref, alt in panel.sites.keys())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("20 150 A C q10 GT 0/1 0 0|1 0|1 0|1 0|1", "FILTER q10"),
        ("20 150 A C q10;s50 GT 0/1 0 0|1 0|1 0|1 0|1", "FILTER q10;s50"),
        ("20 150 N <DEL> PASS GT 0/1 0|1 0|1 0|1 0|1 0|1", "symbolic or * allele"),
        ("20 150 C * PASS GT 0/1 0 0|1 0|1 0|1 0|1", "symbolic or * allele"),
        ("20 150 C C PASS GT 0/1 0/1 0|1 0|1 0|1 0|1", "ALT is REF"),
        ("20 150 c C PASS GT 0/1 0/1 0|1 0|1 0|1 0|1", "ALT is REF"),
        (
            "20 150 C G,g PASS GT 0/1 0/2 0|1 0|1 0|1 0|1",
            "an alternate allele is listed twice in the record",
        ),
        ("20 150 R C PASS GT 0/1 0/1 0|1 0|1 0|1 0|1", "REF is no sequence"),
        ("20 150 C . PASS GT 0/0 0/0 0|0 0|0 0|0 0|0", "no alternate allele"),
        ("20 150 C G PASS GT 0/1 0|0 0|0 0|0 0|0 0|0", "minor allele too rare"),
        ("20 150 C G PASS GT 0/1 .|. .|. 0|1 0|0 1|0", "too many missing calls"),
        ("20 0 N A PASS GT 0/1 0|1 0|1 0|1 0|1 0|1", "position 0"),
        ("20 900 C <INS> PASS GT 0/1 0|1 0|1 0|1 0|1 0|1", "symbolic or * allele"),
        ("20 900 C G q10 GT 0/1 0|1 0|1 0|1 0|1 0|1", "FILTER q10"),
    ],
)
def test_what_is_rejected_cannot_stop_the_run(run, fasta, row, reason):
    """Nor its REF, phase, ploidy or place: the same record with its fault alone is an error."""
    rows = sorted([*GOOD, row], key=lambda r: int(r.split()[1]))
    panel, summary, rejected = run(rows, reference=fasta)
    assert panel.sites.position.tolist() == [100, 200]
    assert summary["rejected"] == {reason: 1}
    assert [r["reason"] for r in rejected] == [reason]
    individuals, _, _ = run(rows, allow_unphased="drop-individuals", min_mac=1, max_missing=1)
    fine = not {"minor allele too rare", "too many missing calls"} & {reason}
    assert (
        len(individuals.individuals) == 6
    ) == fine  # who is unphased only where nobody looks stays


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("20 150 C G PASS GT 0|1 0|1 0|1 0|1 0|1 0|1", "20:150: REF is C"),
        (
            "20 150 A G PASS GT 0/1 0|1 0|1 0|1 0|1 0|1",
            "1 heterozygous genotypes are not phased, the first at 20:150",
        ),
        ("20 150 A G PASS GT 0 0|1 0|1 0|1 0|1 0|1", "20:150: haploid calls next to diploid ones"),
        (
            "20 498 AAAA G PASS GT 0|1 0|1 0|1 0|1 0|1 0|1",
            "20:498: the record ends at 501, after the end of the contig",
        ),
        ("20 99999 A G PASS GT 0|1 0|1 0|1 0|1 0|1 0|1", "20:99999: the record ends at 99999"),
        (
            "20 150 A G PASS GT:PS 0|1:3 0|1:3 0|1:3 0|1:3 0|1:3 0|1:3",
            "FORMAT/PS names more than one phase set",
        ),
    ],
)
def test_what_is_wanted_stops_it(run, tmp_path, fasta, row, found):
    with pytest.raises(InputError) as error:
        run([*GOOD, row] if int(row.split()[1]) > 200 else [GOOD[0], row, GOOD[1]], reference=fasta)
    assert found in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def test_the_end_of_the_contig_in_the_header(run):
    with pytest.raises(
        InputError,
        match=r"20:100001: the record ends at 100001.*\n.*at most 100000, the length of 20 in its "
        r"header",
    ):
        run([*GOOD, "20 100001 A G PASS GT 0|1 0|1 0|1 0|1 0|1 0|1"])


def test_phase_of_the_alleles_that_are_kept(run):
    """An unphased call that says nothing of the allele that is kept."""
    rows = [*GOOD, "20 300 A G,* PASS GT 1|0 1|1 0|1 0/2 2/0 0|0"]
    panel, summary, _ = run(rows)
    assert panel.sites.position.tolist() == [100, 200, 300]
    assert summary["rejected"] == {"symbolic or * allele": 1}


def test_phase_sets_can_be_dropped(run):
    rows = [
        "20 100 A C PASS GT:PS 0|1:1 0|1:1 1|0:1 0|0:. 1|1:. 0|1:.",
        "20 200 A C PASS GT:PS 0|1:1 0|1:9 1|0:1 0|1:1 1|1:. 0|1:.",
        "20 300 A C PASS GT:PS 0|1:1 1|1:9 1|0:1 0|1:1 1|0:1 0|1:.",
    ]
    assert run(rows, allow_unphased="drop-sites")[0].sites.position.tolist() == [100, 300]
    assert len(run(rows, allow_unphased="drop-individuals")[0].individuals) == 5


def test_filters(run):
    rows = [
        GOOD[0],
        "20 150 A C q10 GT 0|1 0|1 1|0 0|0 1|1 0|0",
        "20 160 A C q10;s50 GT 0|1 0|1 1|0 0|0 1|1 0|0",
        GOOD[1],
    ]
    assert run(rows)[0].sites.position.tolist() == [100, 200]
    assert run(rows, filters="PASS")[0].sites.position.tolist() == [100]
    assert run(rows, filters="PASS,.,q10")[0].sites.position.tolist() == [100, 150, 200]
    assert len(run(rows, filters="all")[0].sites) == 4
    with pytest.raises(InputError, match=r"FILTER q10.*\n.*--filters"):
        run(rows[1:3])


def test_filters_of_a_pvar(tmp_path, run):
    run([*GOOD, "20 300 A C q10 GT 0|1 0|1 1|0 0|0 1|1 0|0"], filters="all")
    pvar = tmp_path / "out" / "20.pvar"
    lines = (
        zstandard.decompress(pvar.with_suffix(".pvar.zst").read_bytes(), 10_000)
        .decode()
        .splitlines()
    )
    pvar.with_suffix(".pvar.zst").unlink()
    found = iter(["FILTER", "PASS", ".", "q10;s50"])
    pvar.write_text(
        "".join(
            f"{line}\n" if line.startswith("##") else f"{line}\t{next(found)}\n" for line in lines
        )
    )
    out = tmp_path / "again" / "20"
    prepare(variants=tmp_path / "out" / "20.pgen", contig="20", out=out, options=PrepareOptions())
    assert open_panel(out).sites.position.tolist() == [100, 200]
    assert [row["reason"] for row in read_table(f"{out}.rejected.tsv.gz")] == ["FILTER q10;s50"]


def test_lone_dots_are_counted(run):
    panel, summary, _ = run([*GOOD, "20 300 A C PASS GT 0|1 . 1|1 0|0 . ./."], max_missing=0.5)
    assert summary["calls_of_a_lone_dot"] == 2
    assert panel.haplotypes.read(2, 3)[0].tolist() == [0, 1, -1, -1, 1, 1, 0, 0, -1, -1, -1, -1]


def test_rejections_are_streamed_and_equal_between_runs(run, tmp_path):
    rows = GOOD[:1] + [f"20 {p} A <DEL> . GT 0|0 0|0 0|0 0|0 0|0 0|0" for p in range(101, 3000)]
    _, _, rejected = run(rows)
    assert len(rejected) == 2899
    first = (tmp_path / "out" / "20.rejected.tsv.gz").read_bytes()
    assert gzip.decompress(first).startswith(
        b"contig\tposition\tid\tref\talt\treason\n20\t101\tid1\tA\t<DEL>\tsymbolic or * allele\n"
    )
    run(rows)
    assert (tmp_path / "out" / "20.rejected.tsv.gz").read_bytes() == first


def test_from_standard_input(tmp_path):
    out = tmp_path / "out" / "20"
    for data in (
        text_of(GOOD),
        bgzip(text_of(GOOD)),
        gzip.compress(text_of(GOOD)),
        as_bcf(text_of(GOOD), tmp_path, "b"),
    ):
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        prepare(variants=Path(f"/dev/fd/{read}"), contig="20", out=out, options=PrepareOptions())
        os.close(read)
        assert open_panel(out).sites.position.tolist() == [100, 200]
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    with pytest.raises(InputError, match="reads its input more than once"):
        prepare(
            variants=Path(f"/dev/fd/{read}"),
            contig="20",
            out=out,
            options=PrepareOptions(allow_unphased="drop-individuals"),
        )
    os.close(read)


@pytest.mark.parametrize(
    "rows", [GOOD, ["20 5 A C . GT 0 0|1 1 1 1 1"], ["20 5 A C . GT 0/1 0|1 1|1 1|1 1|0 1|1"]]
)
def test_examine_says_what_prepare_says(run, tmp_path, rows):
    def outcome(call) -> str:
        try:
            call()
        except InputError as error:
            return str(error)
        return "fine"

    said = outcome(lambda: run(rows))
    assert (
        outcome(
            lambda: examine(variants=tmp_path / "in.vcf.gz", contig="20", options=PrepareOptions())
        )
        == said
    )


def test_names_stay_out_of_messages_and_logs(tmp_path):
    path, log = tmp_path / "in.vcf", tmp_path / "log"
    name = "FAMILY_GIVEN_19000101"
    for samples, rows in (
        ([name, name, "C", "D", "E", "F"], GOOD), ([name, " ", "C", "D", "E", "F"], GOOD),
        ([name, "B", "C", "D", "E", "F"], ["20 5 A C . GT 0|1 0|x 0|1 0|1 0|1 0|1"]),
        ([name, "B", "C", "D", "E", "F"], ["20 5 A C . GT 0|1 0|1 0|1 0|1 0|1"]),
        ([name, "B", "C", "D", "E", "F"], ["20 5 A C . GT 0/1 0|1 0|1 0|1 0|1 0|1"]),
    ):  # fmt: skip
        path.write_bytes(text_of(rows, samples))
        for data in (path.read_bytes(), path.read_bytes().replace(b"\t", b" ")):
            path.write_bytes(data)
            for arguments in (
                [
                    "prepare",
                    "--variants",
                    path,
                    "--contig",
                    "20",
                    "--out",
                    tmp_path / "o" / "20",
                    "--log",
                    log,
                ],
                ["init", tmp_path / "study", "--variants", path, "--log", log],
            ):
                done = CliRunner().invoke(genoloom, list(map(str, arguments)))
                assert isinstance(done.exception, InputError)
                assert (
                    name
                    not in f"{done.exception}{done.output}{log.read_text() if log.exists() else ''}"
                )


needs = {
    tool: pytest.mark.skipif(not shutil.which(tool), reason=f"{tool} is not installed")
    for tool in ("bcftools", "plink2")
}


@needs["bcftools"]
def test_the_remedies_of_bcftools(run, tmp_path):
    path, mended = tmp_path / "in.vcf", tmp_path / "out.vcf"
    path.write_bytes(text_of(GOOD, ["A", "B", "A", "D", "E", "F"]))
    (tmp_path / "names").write_text("A\nB\nC\nD\nE\nF\n")
    subprocess.run(
        ["bcftools", "reheader", "-s", tmp_path / "names", "-o", mended, path],
        check=True,
        capture_output=True,
    )
    assert examine(variants=mended, contig="20", options=PrepareOptions())
    path.write_bytes(text_of([*GOOD, "20 300 A C . GT 0|1 1 0 0|1 1 0|0"]))
    command = ["bcftools", "+fixploidy", path, "-o", mended, "--", "-f", "2"]
    subprocess.run(command, check=True, capture_output=True)
    assert examine(variants=mended, contig="20", options=PrepareOptions())
    with pytest.raises(InputError, match=r"has no index.*\n.*run: ") as error:
        prepare(
            variants=mended,
            contig="20",
            out=tmp_path / "o" / "20",
            options=PrepareOptions(),
            region=(1, 150),
        )
    command = error.value.remedy.removeprefix("run: ").removesuffix(", and give that file")
    subprocess.run(command, shell=True, check=True, capture_output=True)
    out = tmp_path / "o" / "20"
    prepare(
        variants=mended.with_suffix(".indexed.vcf.gz"),
        contig="20",
        out=out,
        options=PrepareOptions(),
        region=(1, 150),
    )
    assert open_panel(out).sites.position.tolist() == [100]


@needs["plink2"]
def test_the_remedy_of_multiallelic_plink_files(tmp_path):
    (tmp_path / "in.vcf").write_bytes(
        text_of([GOOD[0], "20 150 A C,T . GT 0|1 0|2 1|2 0|0 1|1 2|2"])
    )
    subprocess.run(
        ["plink2", "--vcf", "in.vcf", "--make-pgen", "--out", "d"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    panels = []
    for source in ("in.vcf", "d.pgen"):  # prepare splits them itself
        prepare(
            variants=tmp_path / source,
            contig="20",
            out=tmp_path / "o" / "20",
            options=PrepareOptions(min_mac=0),
        )
        panel = open_panel(tmp_path / "o" / "20")
        panels.append((panel.sites.keys(), panel.haplotypes.read(0, len(panel.sites)).tolist()))
    assert panels[0] == panels[1]
    assert [key[0] for key in panels[0][0]] == [100, 150, 150]
    assert examine(variants=tmp_path / "d.pgen", contig="20", options=PrepareOptions())
    with pytest.raises(InputError, match="1 multiallelic variants, the first 20:150") as error:
        open_plink(tmp_path / "d.pgen")
    command = error.value.remedy.split("(")[1].split(")")[0]
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    assert len(open_plink(tmp_path / "NEW.pgen")[0][0].sites) == 3


def test_records_that_do_not_fit_together_are_listed(tmp_path):
    """The same haplotypes carry a deletion and a SNP inside it: the later record is rejected, or
    kept when asked for.
    """
    rows = ["100 ACG A 1|0 1|0 0|0 0|1", "102 G T 1|0 1|1 0|0 0|0", "103 C T 1|0 1|0 0|0 0|0"]
    path = write_vcf(tmp_path / "in.vcf.gz", rows, ["a", "b", "c", "d"])
    for overlapping, kept in (("reject", 2), ("keep", 3)):
        out = tmp_path / overlapping / "20"
        prepare(
            variants=path, contig="20", out=out, options=PrepareOptions(overlapping=overlapping)
        )
        summary = json.loads((out.parent / "20.summary.json").read_text())
        assert summary["kept"] == kept
        reasons = {"carried together with an overlapping variant": 1} if kept == 2 else {}
        assert summary["rejected"] == reasons
