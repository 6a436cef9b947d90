"""Tables of PLINK in every form that plink2 takes, and what it refuses."""

import shutil
import subprocess

import numpy as np
import pgenlib
import pytest
import zstandard
from helpers import make_individuals, make_sites

from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel, panel_files
from genoloom.formats.plink import open_plink
from genoloom.formats.plink_tables import read_bim, read_fam, read_psam, read_pvar

ROWS = [("A", "S1", "1"), ("B", "S2", "2"), ("C", "S3", "0")]
SITES = [("20", 100, "rs1", "A", "C"), ("20", 200, ".", "AT", "A"), ("X", 5, "rs3", "G", "T")]


def psam(header: str, form: str, sep: str = "\t") -> str:
    lines = [form.format(f=f, i=i, s=s) for f, i, s in ROWS]
    return "\n".join([*([header] if header else []), *lines, ""]).replace("\t", sep)


INDIVIDUALS = {
    "iid": psam("#IID\tSEX", "{i}\t{s}"),
    "fid": psam("#FID\tIID\tSEX", "0\t{i}\t{s}"),
    "spaces": psam("#IID\tSEX", "{i}\t{s}", " "),
    "comments": "##one\n# two\n" + psam("#IID\tPHENO\tSEX", "{i}\t-9\t{s}"),
    "no header": psam("", "0\t{i}\t0\t0\t{s}\t-9"),
    "no header, spaces": psam("", "0\t{i}\t0\t0\t{s}\t-9", " "),
    "letters": psam("#IID\tSEX", "{i}\t{s}")
    .replace("\t1", "\tM")
    .replace("\t2", "\tf")
    .replace("\t0", "\tNA"),
}


@pytest.mark.parametrize("form", INDIVIDUALS)
def test_individuals(tmp_path, form):
    (tmp_path / "x.psam").write_text(INDIVIDUALS[form])
    individuals = read_psam(tmp_path / "x.psam")
    assert individuals.id == ["S1", "S2", "S3"]
    assert individuals.sex == ["male", "female", "unknown"]
    assert individuals.population == ["unknown"] * 3
    assert individuals.family == [""] * 3


def test_populations_of_the_1000_genomes_in_plink2(tmp_path):
    rows = "S1\t0\t0\t1\tEUR\tGBR\nS2\t0\t0\t2\tAFR\tNA\nS3\t0\t0\tNA\tEUR\tFIN\n"
    (tmp_path / "x.psam").write_text("#IID\tPAT\tMAT\tSEX\tSuperPop\tPopulation\n" + rows)
    individuals = read_psam(tmp_path / "x.psam")
    assert individuals.population == ["GBR", "unknown", "FIN"]
    assert individuals.superpopulation == ["EUR", "", "EUR"]
    (tmp_path / "x.psam").write_text("#IID\tSEX\tSuperPop\nS1\t1\tEUR\nS2\t2\tNONE\n")
    individuals = read_psam(tmp_path / "x.psam")
    assert (individuals.population, individuals.superpopulation) == (["EUR", "unknown"], ["", ""])


def test_who_an_individual_is(tmp_path):
    (tmp_path / "x.psam").write_text("#FID\tIID\nA\t1\nB\t1\n0\t2\n")
    assert read_psam(tmp_path / "x.psam").id == ["A_1", "B_1", "2"]
    (tmp_path / "x.psam").write_text("#FID\tIID\tSID\nA\t1\tx\nA\t1\ty\n")
    assert read_psam(tmp_path / "x.psam").id == ["A_1_x", "A_1_y"]
    (tmp_path / "x.fam").write_text("A 1 0 0 1 -9\nB 1 0 0 2 -9\n")
    individuals = read_fam(tmp_path / "x.fam")
    assert (individuals.id, individuals.sex, individuals.family) == (
        ["A_1", "B_1"],
        ["male", "female"],
        ["A", "B"],
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("#IID\tSEX\n", "names nobody"),
        ("#FID\tSEX\nALICE\t1\n", "has no column IID"),
        ("#IID\tSEX\nALICE\n", "line 2: 1 cells"),
        ("#IID\tSEX\nALICE\t1\t2\n", "line 2: 3 cells"),
        ("#IID\tSEX\nx\t1\n0\t1\n", "line 3: the IID is 0"),
        ("#IID\tSEX\n\t1\n", "line 2: the IID is empty"),
        (
            "FID\tIID\tPAT\tMAT\tSEX\n0\tALICE\t0\t0\t1\n",
            "line 1: is a header that does not begin with '#'",
        ),
        ("#FID\tIID\nALICE\t1\nB\t2\nALICE\t1\n", "line 4: the sample of line 2 again"),
        ("ALICE 1\n", "line 1: 2 cells"),
        (
            "#IID\tPOP\tSUPERPOP\nALICE\tGBR\tEUR\nx\tGBR\tAFR\n",
            "line 3: the population is of another superpopulation than on line 2",
        ),
    ],
)
def test_individuals_that_are_none(tmp_path, text, found):
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match=found) as error:
        read_psam(tmp_path / "x")
    assert "ALICE" not in str(error.value)


def pvar(header: str, form: str, sep: str = "\t") -> str:
    lines = [form.format(c=c, p=p, i=i, r=r, a=a) for c, p, i, r, a in SITES]
    return "\n".join([*([header] if header else []), *lines, ""]).replace("\t", sep)


VARIANTS = {
    "usual": pvar("#CHROM\tPOS\tID\tREF\tALT", "{c}\t{p}\t{i}\t{r}\t{a}"),
    "with more": "##contig=<ID=20,length=1000>\n"
    + pvar("#CHROM\tPOS\tID\tREF\tALT\tINFO", "{c}\t{p}\t{i}\t{r}\t{a}\tX=a b"),
    "another order": pvar("#CHROM\tID\tPOS\tALT\tREF", "{c}\t{i}\t{p}\t{a}\t{r}"),
    "spaces": pvar("#CHROM\tPOS\tID\tREF\tALT", "{c}\t{p}\t{i}\t{r}\t{a}", " "),
    "bim": pvar("", "{c}\t{i}\t0\t{p}\t{a}\t{r}"),
    "bim without cM": pvar("", "{c}\t{i}\t{p}\t{a}\t{r}", " "),
    "bim, by number": pvar("", "{c}\t{i}\t0\t{p}\t{a}\t{r}").replace("X\t", "23\t"),
}


@pytest.mark.parametrize("form", VARIANTS)
def test_variants(tmp_path, form):
    # whatever its name
    (tmp_path / "x.pvar").write_bytes(zstandard.compress(VARIANTS[form].encode()))
    runs = read_pvar(tmp_path / "x.pvar")
    found = [
        (run.contig, int(p), i, r, a)
        for run in runs
        for p, i, r, a in zip(run.position, run.id, run.ref, run.alt, strict=True)
    ]
    assert found == SITES
    assert np.isnan(runs[0].cm).all()
    if form.startswith("bim") and "cM" not in form:
        assert [run.keys() for run in read_bim(tmp_path / "x.pvar")] == [run.keys() for run in runs]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("#CHROM\tPOS\tID\tREF\tALT\n", "holds no variant"),
        ("#CHROM\tPOS\tID\tREF\n20\t1\tx\tA\n", "has no column ALT"),
        ("20\t1\tx\n", "line 1: 3 cells and no header"),
        ("#CHROM\tPOS\tID\tREF\tALT\n20\t1\tx\tA\n", "line 2: 4 cells"),
        ("#CHROM\tPOS\tID\tREF\tALT\n20\tx1\tx\tA\tC\n", "line 2: POS is no whole number"),
        ("#CHROM\tPOS\tID\tREF\tALT\n20\t1e400\tx\tA\tC\n", "line 2: POS is no whole number"),
        (
            "#CHROM\tPOS\tID\tREF\tALT\n20\t99999999999999999999\tx\tA\tC\n",
            "line 2: POS is not from",
        ),
        ("#CHROM\tPOS\tID\tREF\tALT\n20\t-1\tx\tA\tC\n", "line 2: POS is not from"),
        ("#CHROM\tPOS\tID\tREF\tALT\tCM\n20\t1\tx\tA\tC\tNA\n", "line 2: CM is no number"),
        ("#CHROM\tPOS\tID\tREF\tALT\tCM\n20\t1\tx\tA\tC\tinf\n", "line 2: CM is no finite number"),
        ("#CHROM\tPOS\tID\tREF\tALT\n20\t1\tx\t\tC\n", "line 2: contig or alleles are empty"),
    ],
)
def test_variants_that_are_none(tmp_path, text, found):
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match=found):
        read_pvar(tmp_path / "x")


def test_centimorgans(tmp_path, caplog):
    rows = (
        "#CHROM\tPOS\tID\tREF\tALT\tCM\n1\t1\t.\tA\tC\t0.5\n1\t2\t.\tA\tC\t1e0\n2\t1\t.\tA\tC\t3\n"
        "2\t2\t.\tA\tC\t1\n"
    )
    (tmp_path / "x").write_text(rows)
    one, two = read_pvar(tmp_path / "x")
    assert one.cm.tolist() == [0.5, 1]
    assert np.isnan(two.cm).all()
    assert "centimorgans of contig 2 fall" in caplog.text


@pytest.mark.skipif(not shutil.which("plink2"), reason="plink2 is not installed")
@pytest.mark.parametrize("kind", ["psam", "pvar"])
def test_plink2_takes_the_same(tmp_path, kind):
    with pgenlib.PgenWriter(
        str(tmp_path / "x.pgen").encode(), 3, variant_ct=3, nonref_flags=False
    ) as writer:
        writer.append_biallelic_batch(np.zeros((3, 3), dtype=np.int8))
    for text in (INDIVIDUALS if kind == "psam" else VARIANTS).values():
        (tmp_path / "x.psam").write_text(INDIVIDUALS["iid"])
        (tmp_path / "x.pvar").write_text(VARIANTS["usual"])
        (tmp_path / f"x.{kind}").write_text(text)
        done = subprocess.run(
            ["plink2", "--pfile", tmp_path / "x", "--freq", "--out", tmp_path / "o"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "3 samples (1 female, 1 male, 1 ambiguous" in done.stdout
        assert "3 variants loaded" in done.stdout


def test_a_header_that_claims_more_than_there_is(tmp_path):
    with PanelWriter(tmp_path / "20", make_individuals(3), "20") as writer:
        writer.append(make_sites(5), np.zeros((5, 6), dtype=np.int8))
    pgen = panel_files(tmp_path / "20")[0]
    whole = pgen.read_bytes()
    for place, found in ((3, "variants"), (7, "individuals")):
        pgen.write_bytes(whole[:place] + b"\xff\xff\xff\x7f" + whole[place + 4 :])
        with pytest.raises(InputError, match=found):
            open_panel(tmp_path / "20")
    (tmp_path / "x.bed").write_bytes(b"\x6c\x1b\x01" + bytes(4))
    (tmp_path / "x.bim").write_text(VARIANTS["bim"])
    (tmp_path / "x.fam").write_text(INDIVIDUALS["no header"])
    with pytest.raises(InputError, match="has 7 bytes"):
        open_plink(tmp_path / "x.bed")
