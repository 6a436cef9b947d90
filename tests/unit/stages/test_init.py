"""`init` and `doctor` on the shipped data."""

import pytest
from click.testing import CliRunner
from helpers import call_genoloom
from variant_files import SAMPLES, text_of

from genoloom.cli import genoloom
from genoloom.config_files import load_study
from genoloom.config_sheets import read_panel_sheet
from genoloom.errors import ConfigError
from genoloom.formats.sheets import read_individuals
from genoloom.stages.doctor import doctor


@pytest.mark.slow
def test_init_then_doctor(demo_dir, tmp_path):
    sheet = tmp_path / "labels.tsv"
    rows = [line.split("\t") for line in (demo_dir / "samples.tsv").read_text().splitlines()[1:]]
    # as the 1000 Genomes Project publishes it: other names, more individuals, stray tabs
    lines = [
        "sample\tpop\tsuper_pop\tgender\t\t",
        *(f"{p}\t{pop}\tEUR\t{sex}" for p, pop, sex in rows),
        "NA00000\tXXX\tXXX\tmale",
    ]
    sheet.write_text("\n".join(lines) + "\n")
    vcf, fasta, gmap = (
        demo_dir / n
        for n in ("eur300.chr20_1-2Mb.vcf.gz", "GRCh37.chr20_1-2Mb.fa.gz", "chr20.b37.gmap.gz")
    )
    study = tmp_path / "study"
    arguments = [
        "init",
        study,
        "--variants",
        vcf,
        "--reference",
        fasta,
        "--samples",
        sheet,
        "--map",
        gmap,
    ]
    done = call_genoloom(*arguments)
    assert done.returncode == 0, done.stderr
    assert load_study(study / "config/config.yaml", study).config.panels == "config/panels.tsv"
    [row] = read_panel_sheet(study / "config/panels.tsv", study)
    assert (row.panel, row.contig, row.samples) == ("cohort", "20", "config/samples.tsv")
    individuals = read_individuals(study / "config/samples.tsv")
    assert len(individuals) == 300
    assert individuals["HG00096"] == ("GBR", "male", "", "EUR")
    assert call_genoloom("doctor", "-C", study).returncode == 0
    again = call_genoloom(*arguments)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert call_genoloom(*arguments, "--force").returncode == 0


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("contig", "chr20", "but '20'"),
        ("variants", "none.vcf", "not found"),
        ("samples", "config/config.yaml", "has no column"),
    ],
)
def test_doctor_finds_what_would_fail(demo_dir, tmp_path, column, cell, expected):
    assert (
        call_genoloom(
            "init", tmp_path, "--variants", demo_dir / "eur300.chr20_1-2Mb.vcf.gz"
        ).returncode
        == 0
    )
    sheet = tmp_path / "config/panels.tsv"
    header, row = (line.split("\t") for line in sheet.read_text().splitlines())
    row[header.index(column)] = cell
    sheet.write_text("\t".join(header) + "\n" + "\t".join(row) + "\n")
    done = call_genoloom("doctor", "-C", tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_init_needs_data(tmp_path):
    assert call_genoloom("init", tmp_path).returncode == 2
    done = call_genoloom("init", tmp_path, "--variants", tmp_path / "none.vcf.gz")
    assert done.returncode == 2
    assert "not found" in done.stderr


def test_init_with_sequences_only(demo_dir, tmp_path):
    assert (
        call_genoloom(
            "init",
            tmp_path,
            "--reference",
            demo_dir / "GRCh37.chr20_1-2Mb.fa.gz",
            "--name",
            "chr20",
        ).returncode
        == 0
    )
    found = load_study(tmp_path / "config/config.yaml", tmp_path)
    assert found.config.sequence_sets == "config/sequences.tsv"


def test_a_map_that_no_contig_can_use_is_an_error(demo_dir, tmp_path):
    (tmp_path / "map.txt").write_text("pos chr cM\n1 7 0\n1000000 7 1\n")
    vcf = demo_dir / "eur300.chr20_1-2Mb.vcf.gz"
    done = CliRunner().invoke(
        genoloom,
        [
            "init",
            str(tmp_path / "study"),
            "--variants",
            str(vcf),
            "--map",
            str(tmp_path / "map.txt"),
        ],
    )
    assert "has no row of contig 20" in str(done.exception)
    assert not (tmp_path / "study/config/config.yaml").exists()


def test_init_leaves_out_what_prepare_refuses(tmp_path):
    good = "0|1 0|1 1|0 0|0 1|1 0|0"
    rows = [
        f"20 100 A C . GT {good}",
        f"X 100 A C . GT {good}",
        "X 200 A C . GT 0|1 1 1|0 0 1 0|0",
        "7 5 A C . GT 0 1 1 0 1 0",
    ]
    path, study = tmp_path / "in.vcf", tmp_path / "study"
    path.write_bytes(text_of(rows))
    done = CliRunner().invoke(genoloom, ["init", str(study), "--variants", str(path)])
    assert done.exception is None
    assert [row.contig for row in read_panel_sheet(study / "config/panels.tsv", study)] == ["20"]
    for contig, word in (
        ("X", "X:200: haploid calls next to diploid ones"),
        ("7", "7:5: haploid calls"),
    ):
        assert f"contig {contig} of {path} is left out: {path}: {word}" in done.output
    doctor(directory=study)
    sheet = study / "config/panels.tsv"
    sheet.write_text(sheet.read_text().replace("\t20\t", "\tX\t"))
    with pytest.raises(ConfigError, match="X:200: haploid calls next to diploid ones"):
        doctor(directory=study)
    path.write_bytes(text_of(rows[3:]))
    done = CliRunner().invoke(genoloom, ["init", str(tmp_path / "other"), "--variants", str(path)])
    assert "7:5: haploid calls" in str(done.exception)
    assert not (tmp_path / "other").exists()


def test_contigs_of_other_ploidies_get_panels_of_their_own(tmp_path):
    good = "0|1 0|1 1|0 0|0 1|1 0|0"
    rows = [
        f"20 100 A C . GT {good}",
        "X 3000000 A C . GT 0|1 1 1|0 0 1 0|0",
        "MT 5 A C . GT 0 1 1 0 1 0",
    ]
    lengths = "##contig=<ID=X,length=156040895>\n##contig=<ID=MT,length=16569>\n"
    text = text_of(rows).decode().replace("##contig=<ID=21", f"{lengths}##contig=<ID=21")
    path, study, sheet = tmp_path / "in.vcf", tmp_path / "study", tmp_path / "s.tsv"
    path.write_text(text)
    sexes = ["female", "male", "female", "male", "male", "female"]
    sheet.write_text(
        "sample\tpop\tsex\n"
        + "".join(f"{name}\tP\t{sex}\n" for name, sex in zip(SAMPLES, sexes, strict=True))
    )
    done = CliRunner().invoke(
        genoloom, ["init", str(study), "--variants", str(path), "--samples", str(sheet)]
    )
    assert done.exception is None, done.output
    found = read_panel_sheet(study / "config/panels.tsv", study)
    assert {row.contig: row.panel for row in found} == {
        "20": "cohort", "X": "cohort.x-linked", "MT": "cohort.haploid",
    }  # fmt: skip
    doctor(directory=study)


@pytest.mark.parametrize(
    ("fasta", "bed", "found"),
    [
        (">a\nACGT\n>a\nACGT\n", None, "is listed twice"),
        (">a\nACGT\n>b\nAC-T\n", None, "line 4: the character '-'"),
        (">a\nACGT\n", "b\t0\t2\n", "contig 'b' is not in"),
        (">a\nACGT\n", "a\t0\t9\n", "ends after its contig"),
    ],
)
def test_doctor_reads_all_sequences_and_intervals(tmp_path, fasta, bed, found):
    (tmp_path / "x.fa").write_text(fasta)
    assert (
        CliRunner()
        .invoke(genoloom, ["init", str(tmp_path), "--reference", str(tmp_path / "x.fa")])
        .exit_code
        == 0
    )
    if bed:
        (tmp_path / "x.bed").write_text(bed)
        (tmp_path / "config/sequences.tsv").write_text(
            "set\tsource\tregions\ncohort\tx.fa\tx.bed\n"
        )
    with pytest.raises(ConfigError, match=found):
        doctor(directory=tmp_path)
