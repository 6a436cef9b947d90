"""Files of other tools: the same result as the workflow's own files, and everything unmatched
counted.
"""

import gzip
import logging

import numpy as np
import pysam
import pysam.bcftools
import pytest
from helpers import write_bed
from sklearn.metrics import roc_auc_score

from genoloom.config import ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.plink import open_plink
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.panel import Panel, UnphasedHaplotypes, join_individuals
from genoloom.panels.comparands import open_comparands, open_real
from genoloom.privacy_config import AuditOptions
from genoloom.stages.audit import audit
from genoloom.stages.validate import validate

N, SITES = 50, 240  # of the fixture `panels`
ROLES = ("train", "holdout", "synthetic")


def opened(**files):
    names = ("synthetic", "panels", "train", "holdout", "samples")
    arguments = {name: [files[name]] if name in files else [] for name in names}
    return open_comparands(**arguments, split=files.get("split"), genetic_map=None)


def tables(folder, **files) -> tuple[bytes, bytes, dict]:
    """Fidelity and public privacy table, as bytes, and what became of the sites."""
    folder.mkdir()
    with opened(**files) as comparands:
        validate(
            name="made", comparands=comparands, baselines=[], out=folder / "fidelity.tsv",
            details=None,
            options=ValidateOptions(n_permutations=3, ld_window=60), seed=5,
        )  # fmt: skip
        audit(
            name="made", comparands=comparands, baselines=[], out=folder / "private" / "audit.tsv",
            public=folder / "privacy.tsv",
            options=AuditOptions(windows="40,80", bootstrap=200), seed=5,
        )  # fmt: skip
    return (
        (folder / "fidelity.tsv").read_bytes(),
        (folder / "privacy.tsv").read_bytes(),
        comparands.sites,
    )


@pytest.fixture
def workflow_files(tmp_path, panels):
    """The same individuals as the workflow keeps them: one panel in mixed order, a split, a
    synthetic trio.
    """
    joined = np.concatenate(
        [panels[role].haplotypes.alleles for role in ("holdout", "train")], axis=1
    )
    individuals = join_individuals(panels["holdout"].individuals, panels["train"].individuals)
    sites = panels["train"].sites
    for name, members, alleles in (
        ("panel", individuals, joined),
        ("made", panels["synthetic"].individuals, panels["synthetic"].haplotypes.alleles)
    ):  # fmt: skip
        with PanelWriter(tmp_path / name, members, "20") as writer:
            writer.append(sites, alleles)
    write_split(tmp_path / "split.tsv", individuals, ["holdout"] * N + ["train"] * N)
    return {
        "panels": tmp_path / "panel",
        "split": tmp_path / "split.tsv",
        "synthetic": tmp_path / "made",
    }


def test_any_format_gives_what_the_workflow_form_gives(
    tmp_path, panels, vcf, sheet, workflow_files
):
    expected = tables(tmp_path / "workflow", **workflow_files)[:2]
    bcf = tmp_path / "holdout.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(vcf("holdout")), catch_stdout=False)
    found = tables(
        tmp_path / "mixed",
        train=vcf("train"),
        holdout=bcf,
        synthetic=tmp_path / "made.pgen",
        samples=sheet,
    )
    # the genetic map is lost in a VCF: shared runs are measured in the same units, since both sides
    # lack it
    assert found[:2] == expected
    assert found[2]["compared"] == SITES


def test_a_split_panel_serves_as_training_and_holdout_files(workflow_files, panels):
    nothing = {"train": [], "holdout": [], "samples": [], "genetic_map": None}
    panel, split, made = (workflow_files[name] for name in ("panels", "split", "synthetic"))
    with open_real(panels=[panel], split=split, **nothing) as real:
        found = real.against(real.read("made", [made.with_suffix(".pgen")]))
        [(synthetic, real_panel)] = found.pairs
        assert found.roles == ["train"] * N + ["holdout"] * N
        assert (
            real_panel.individuals.id
            == panels["train"].individuals.id + panels["holdout"].individuals.id
        )
        expected = np.concatenate(
            [panels[role].haplotypes.alleles for role in ("train", "holdout")], axis=1
        )
        np.testing.assert_array_equal(real_panel.haplotypes.read(0, SITES), expected)
        np.testing.assert_array_equal(
            synthetic.haplotypes.read(0, SITES), panels["synthetic"].haplotypes.alleles
        )
        # of the .psam, no sheet is needed
        assert synthetic.individuals.population == panels["synthetic"].individuals.population
    for wrong in ({"panels": [panel], "split": None}, {"panels": [], "split": split}):
        with pytest.raises(InputError, match="belong together"):
            open_real(**wrong, **nothing).__enter__()


def test_unmatched_and_swapped_sites_are_counted(tmp_path, vcf, panels, sheet, caplog):
    def change(i, row):
        if i < 10:
            return ""  # only the training file has these
        if i < 15:
            return row.replace(" A C ", " A G ")  # other alleles
        if i < 18:
            return row.replace(" A C ", " T G ")  # the other strand, which is not guessed
        if i < 30:  # REF and ALT swapped
            place, ref, alt, *calls = row.split()
            return " ".join(
                [
                    place,
                    alt,
                    ref,
                    *("|".join("10"[int(a)] for a in call.split("|")) for call in calls),
                ]
            )
        return row

    caplog.set_level(logging.INFO)
    whole = {"train": vcf("train"), "holdout": vcf("holdout"), "samples": sheet}
    with opened(**whole, synthetic=vcf("synthetic", "changed", change=change)) as changed:
        account = changed.sites
        [(made, real)] = changed.pairs
        assert account["compared"] == len(made.sites) == len(real.sites) == SITES - 18
        counts = account["synthetic"]
        assert (counts["sites"], counts["in_training_file"]) == (SITES - 10, SITES - 18)
        assert (counts["of_these_alleles_swapped"], counts["other_alleles"]) == (12, 8)
        assert counts["of_these_fit_the_other_strand"] == 3
        assert account["holdout"]["in_training_file"] == SITES
        assert changed.unmatched == pytest.approx(8 / (SITES - 10))
        np.testing.assert_array_equal(
            made.haplotypes.read(0, 12), panels["synthetic"].haplotypes.read(18, 30)
        )
        np.testing.assert_array_equal(
            real.haplotypes.read(5, 9)[:, : 2 * N], panels["train"].haplotypes.read(23, 27)
        )
    assert "12 matched with REF and ALT swapped" in caplog.text
    assert f"compared at {SITES - 18} sites" in caplog.text


def test_plink1_swaps_alleles_and_knows_no_phase(tmp_path, vcf, panels, sheet):
    made = panels["synthetic"].haplotypes.alleles.copy()
    made[3] = 0  # monomorphic: plink writes A1 as 0
    made[4, :2] = -1
    minor_is_reference = made.mean(axis=1) > 0.5
    bed = write_bed(
        tmp_path / "made",
        Panel(panels["synthetic"].sites, panels["synthetic"].individuals, None),
        made,
    )
    [panel], unphased = open_plink(bed)
    assert unphased == int((made[:, 0::2] != made[:, 1::2]).sum())
    assert [r == "C" for r in panel.sites.ref] == minor_is_reference.tolist()
    with opened(
        train=vcf("train"), holdout=vcf("holdout"), synthetic=bed, samples=sheet
    ) as comparands:
        assert not comparands.phased
        [(synthetic, real)] = comparands.pairs
        expected = np.sort(made.reshape(SITES, -1, 2), axis=2).reshape(made.shape)
        np.testing.assert_array_equal(synthetic.haplotypes.read(0, SITES), expected)
        trained = UnphasedHaplotypes(panels["train"].haplotypes).read(0, SITES)
        np.testing.assert_array_equal(real.haplotypes.read(0, SITES)[:, : 2 * N], trained)
        assert comparands.sites["synthetic"]["of_these_alleles_swapped"] == minor_is_reference.sum()


def test_unphased_data_get_the_genotype_based_figures(tmp_path, vcf, sheet, panels):
    tables(
        tmp_path / "unphased",
        train=vcf("train"),
        holdout=vcf("holdout"),
        samples=sheet,
        synthetic=vcf("synthetic", separator="/"),
    )

    def rows(table, key):
        found = [
            row
            for row in read_table(tmp_path / "unphased" / f"{table}.tsv")
            if row["generator"] == "made"
        ]
        return {
            (row[key], row["population"], row.get("bin", row.get("window"))): row for row in found
        }

    values = rows("fidelity", "metric")
    not_run = {key[0] for key, row in values.items() if row["verdict"] == "not run"}
    assert {
        "ld_r2_correlation",
        "ld_decay_error",
        "distinct_haplotypes",
        "haplotype_homozygosity",
    } <= not_run
    del values["overall", "all", "all"]  # counts the others
    assert all(row["value"] == "" for row in values.values() if row["verdict"] == "not run")
    # phase does not matter to these; everybody is compared, so they can be had from the genotypes
    alleles = {role: panels[role].haplotypes.alleles for role in ROLES}
    frequency = {role: alleles[role].mean(axis=1) for role in ROLES}
    error = np.abs(frequency["synthetic"] - frequency["holdout"]).mean()
    assert float(values["frequency_error", "all", "all"]["value"]) == pytest.approx(error, rel=1e-4)
    lost = ((frequency["synthetic"] == 0) | (frequency["synthetic"] == 1)).mean()
    assert float(values["sites_lost", "all", "all"]["value"]) == pytest.approx(
        lost, rel=1e-4, abs=1e-9
    )
    first = {
        role: np.repeat(np.array(panels[role].individuals.population) == "AAA", 2) for role in ROLES
    }
    of_first = {role: alleles[role][:, first[role]].mean(axis=1) for role in ROLES}
    error = np.abs(of_first["synthetic"] - of_first["holdout"]).mean()
    assert float(values["frequency_error", "AAA", "all"]["value"]) == pytest.approx(error, rel=1e-4)
    # the attack over whole genotypes: nearest first and nearest second column of the ordered
    # alleles, added up
    ordered = {
        role: np.sort(alleles[role].reshape(SITES, -1, 2), axis=2).reshape(SITES, -1)
        for role in ROLES
    }

    def nearest(role):
        distance = (ordered[role][:, :, None] != ordered["synthetic"][:, None, :]).sum(axis=0)
        return -distance.min(axis=1).reshape(-1, 2).sum(axis=1)

    auc = roc_auc_score([1] * N + [0] * N, np.concatenate([nearest("train"), nearest("holdout")]))
    attacks = rows("privacy", "attack")
    assert float(attacks["nearest", "all", "0"]["value"]) == pytest.approx(auc, abs=1e-4)
    assert attacks["longest shared run", "all", "0"]["verdict"] == "not run"
    worst = attacks["worst", "all", "0"]
    assert 0 <= float(worst["value"]) <= 1
    assert worst["verdict"] in ("not run", "weak", "fail")  # never a silent pass


def test_several_contigs_in_one_file_or_in_several(tmp_path, vcf, panels, sheet):
    def moved(i, row):
        return row if i < 100 else f"chr21:{row}"

    parts = [
        vcf("synthetic", "first", change=lambda i, row: row if i < 100 else ""),
        vcf("synthetic", "second", change=lambda i, row: "" if i < 100 else f"21:{row}"),
    ]
    with open_comparands(
        synthetic=parts, panels=[], split=None, samples=[sheet], genetic_map=None,
        train=[vcf("train", change=moved)], holdout=[vcf("holdout", change=moved)],
    ) as comparands:  # fmt: skip
        assert [real.sites.contig for _, real in comparands.pairs] == ["20", "21"]
        made = np.concatenate(
            [made.haplotypes.read(0, len(made.sites)) for made, _ in comparands.pairs]
        )
        np.testing.assert_array_equal(made, panels["synthetic"].haplotypes.alleles)


def test_a_map_gives_centimorgans(tmp_path, vcf):
    genetic_map = tmp_path / "20.gmap"
    genetic_map.write_text("pos\tchr\tcM\n100\t20\t0\n24100\t20\t0.024\n")
    files = {"train": [vcf("train")], "holdout": [vcf("holdout")], "synthetic": [vcf("synthetic")]}
    with open_comparands(
        **files, panels=[], split=None, samples=[], genetic_map=genetic_map
    ) as comparands:
        [(made, real)] = comparands.pairs
        np.testing.assert_allclose(real.sites.cm, (real.sites.position - 100) * 1e-6)
        np.testing.assert_array_equal(made.sites.cm, real.sites.cm)


def test_populations_are_optional(vcf, tmp_path, panels):
    real = {"train": vcf("train"), "holdout": vcf("holdout")}
    with opened(**real, synthetic=vcf("synthetic")) as comparands:
        assert {
            p
            for made, real_panel in comparands.pairs
            for p in made.individuals.population + real_panel.individuals.population
        } == {"unknown"}
    labels = tmp_path / "real.tsv"
    labels.write_text(
        "individual\tpopulation\n"
        + "".join(f"{role}{i}\tAAA\n" for role in ROLES[:2] for i in range(N))
    )
    with opened(**real, synthetic=vcf("synthetic"), samples=labels) as comparands:
        [(made, real_panel)] = comparands.pairs
        assert (
            set(made.individuals.population)
            == set(real_panel.individuals.population)
            == {"unknown"}
        )
    labels.write_text("individual\tpopulation\n" + "".join(f"train{i}\tAAA\n" for i in range(N)))
    with pytest.raises(InputError, match="some samples of the holdout files are in no sheet"):
        opened(**real, synthetic=vcf("synthetic"), samples=labels).__enter__()


def test_bad_files_are_explained(tmp_path, vcf, panels):
    real = {"train": vcf("train"), "holdout": vcf("holdout")}

    def refuse(match, **files):
        with pytest.raises(InputError, match=match), opened(**{**real, **files}):
            pass

    refuse("not found", synthetic=tmp_path / "none.vcf.gz")
    (tmp_path / "table.csv").write_text("a,b\n")
    refuse("no known format", synthetic=tmp_path / "table.csv")
    refuse(
        "no contig is in all three",
        synthetic=vcf("synthetic", "moved", change=lambda i, row: f"21:{row}"),
    )
    elsewhere = vcf(
        "synthetic",
        "build38",
        change=lambda i, row: f"{int(row.split()[0]) + 7} {row.split(' ', 1)[1]}",
    )
    refuse("genome build", synthetic=elsewhere)
    flipped = vcf("synthetic", "strand", change=lambda i, row: row.replace(" A C ", " T G "))
    refuse("other strand", synthetic=flipped)
    refuse("in the training files too", synthetic=vcf("synthetic"), holdout=real["train"])
    refuse("both --panel and --train", synthetic=vcf("synthetic"), panels=tmp_path / "panel")
    plain = tmp_path / "plain.vcf"  # uncompressed is read as well; here without genotypes
    with gzip.open(real["train"], "rt") as handle:
        plain.write_text(handle.read().replace("\tGT\t", "\tDP\t"))
    refuse(r"20:100: no genotypes \(GT\) can be read", synthetic=plain)
    (tmp_path / "wrong.bed").write_bytes(b"chr1\t1\t2\n")
    for suffix in (".bim", ".fam"):
        (tmp_path / f"wrong{suffix}").write_text("x\n")
    refuse("no PLINK 1 .bed", synthetic=tmp_path / "wrong.bed")


def test_temporary_copies_of_real_genotypes_are_removed(tmp_path, vcf, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with opened(
        train=vcf("train"), holdout=vcf("holdout"), synthetic=vcf("synthetic")
    ) as comparands:
        assert list(scratch.rglob("*.pgen"))
        assert [path.stat().st_mode & 0o777 for path in scratch.iterdir()] == [0o700]
        assert len(comparands.roles) == 2 * N
    assert not list(scratch.iterdir())
