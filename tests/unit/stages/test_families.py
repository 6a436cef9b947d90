"""Trios and sibships: what children inherit, and whether other programs see it. Through files."""

import shutil
import subprocess

import numpy as np
import pytest
from helpers import call_genoloom, make_individuals

from genoloom.cohort import Cohort
from genoloom.config import CohortOptions, Config, GenerateOptions
from genoloom.errors import InputError
from genoloom.formats.cohort_sheets import read_cohort
from genoloom.formats.pedigree import read_pedigree
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.panel import Individuals, Sites
from genoloom.ploidy import Ploidy
from genoloom.popgen.relatedness import Kinship
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.train import train
from genoloom.training_config import IndependentOptions, TrainOptions

N_SITES, CONTIG_CM = 6000, 300.0
BREEDS = ("A", "B")  # B has nearly always the alternate allele, A hardly ever, at odd sites


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Independent sites of a long contig: even ones common in both populations."""
    folder, rng = tmp_path_factory.mktemp("families"), np.random.default_rng(1)
    individuals = make_individuals(60, BREEDS)
    frequency = np.where(np.arange(60) % 2, 0.97, 0.03) * np.ones((N_SITES, 1))
    frequency[::2] = rng.uniform(0.2, 0.8, (N_SITES // 2, 1))
    alleles = (rng.random((N_SITES, 120)) < np.repeat(frequency, 2, axis=1)).astype(np.int8)
    text = [np.array([value] * N_SITES, dtype=object) for value in "AC."]
    place = np.arange(1, N_SITES + 1)
    sites = Sites("20", 1000 * place, *text, place * CONTIG_CM / N_SITES, 10**7)
    with PanelWriter(folder / "20", individuals, "20", 10**7) as writer:
        writer.append(sites, alleles)
    write_split(folder / "split.tsv", individuals, ["train"] * 60)
    train(
        generator="independent", panel=folder / "20", split=folder / "split.tsv",
        model=folder / "20.safetensors", history=folder / "h.tsv", state=folder / "state",
        common=TrainOptions(), options=IndependentOptions(), seed=3, threads=1,
    )  # fmt: skip
    return folder


def make_sheet(folder, out, **options):
    make_cohort(
        model=folder / "20.safetensors", split=folder / "split.tsv", out=out,
        options=CohortOptions(**options), seed=4,
    )  # fmt: skip
    return out


def draw(folder, sheet, shard=1000):
    out = sheet.with_name("20.vcf.gz")
    generate(
        model=folder / "20.safetensors", cohort=sheet, out=out,
        options=GenerateOptions(shard=shard), seed=5, threads=1,
    )  # fmt: skip
    panel = open_panel(sheet.with_name("20"))
    return panel.haplotypes.read(0, N_SITES), panel


@pytest.fixture(scope="module")
def sibships(trained, tmp_path_factory):
    """Eight families of two children, and eight individuals without one."""
    folder = tmp_path_factory.mktemp("sibships")
    sheet = make_sheet(
        trained, folder / "cohort.tsv", size=40, populations="A:1", children=2, in_families=0.8
    )
    alleles, panel = draw(trained, sheet)
    return folder, alleles, panel, read_pedigree(folder / "cohort.fam")


def test_the_pedigree_says_who_is_in_which_family(sibships):
    folder, _, panel, pedigree = sibships
    rows = read_table(folder / "cohort.tsv")
    assert [(r["individual"], r["father"], r["mother"]) for r in rows] == pedigree
    sex = dict(zip(panel.individuals.id, panel.individuals.sex, strict=True))
    children = [row for row in pedigree if row[1]]
    assert len(children) == 16
    assert {sex[father] for _, father, _ in children} == {"male"}
    assert {sex[mother] for _, _, mother in children} == {"female"}
    assert sum(sex[child] == "female" for child, *_ in children) == 8
    family = dict(zip(panel.individuals.id, panel.individuals.family, strict=True))
    assert all(len({family[name] for name in row}) == 1 for row in children)
    assert sorted(family.values()).count("") == 8
    assert [line.split()[0] for line in (folder / "cohort.fam").read_text().splitlines()] == [
        family[name] or "0" for name in panel.individuals.id
    ]


def expected_kinship(pedigree):
    """1/4 of parent and child and of siblings, 1/8 of grandparents, 0 of the others; by the
    recursion of the pedigree.
    """
    at = {name: i for i, (name, _, _) in enumerate(pedigree)}
    kinship = np.zeros((len(pedigree), len(pedigree)))
    for i, (_, *parents) in enumerate(pedigree):
        if parents[0]:
            kinship[i, :i] = kinship[:i, i] = sum(kinship[at[p], :i] for p in parents) / 2
            kinship[i, i] = 0.5 * (1 + kinship[at[parents[0]], at[parents[1]]])
        else:
            kinship[i, i] = 0.5
    return kinship


def check_kinship(alleles, pedigree):
    counts = Kinship(len(pedigree))
    dosage = alleles[::2, 0::2] + alleles[::2, 1::2]
    counts.add(dosage)
    everybody = np.arange(len(pedigree))
    found, expected = counts.coefficients(everybody, everybody), expected_kinship(pedigree)
    parent = np.array([[j in (f, m) for j, _, _ in pedigree] for _, f, m in pedigree])
    exact = parent | parent.T | (expected == 0)
    assert found[exact] == pytest.approx(expected[exact], abs=0.09)
    # siblings and grandparents share by chance: three Morgans are few
    assert found[~exact] == pytest.approx(expected[~exact], abs=0.15)
    assert (found - expected)[expected > 0].mean() == pytest.approx(0, abs=0.02)


def test_king_sees_the_pedigree(sibships):
    _, alleles, _, pedigree = sibships
    check_kinship(alleles, pedigree)


def test_three_generations_by_hand(trained, sibships, tmp_path):
    folder, *_ = sibships
    text = (folder / "cohort.tsv").read_text()
    rows = [dict(row) for row in read_table(folder / "cohort.tsv")]
    child = next(r for r in rows if r["father"] and r["sex"] == "female")
    single = next(r for r in rows if not r["family"] and r["sex"] == "male")
    grand = child | {"individual": "SYN000041", "seed": "77"}
    grand |= {"father": single["individual"], "mother": child["individual"], "sex": "male"}
    (tmp_path / "cohort.tsv").write_text(text + "\t".join(grand.values()) + "\n")
    alleles, _ = draw(trained, tmp_path / "cohort.tsv", shard=3)
    cohort = read_cohort(tmp_path / "cohort.tsv")
    pedigree = [(n, *p) for n, p in zip(cohort.individuals.id, cohort.parents, strict=True)]
    check_kinship(alleles, pedigree)
    # everybody else is as they were, whatever the shard
    np.testing.assert_array_equal(alleles[:, :80], sibships[1])


def test_alleles_come_from_the_parents_in_their_order(sibships):
    _, alleles, panel, pedigree = sibships
    at = {name: 2 * i for i, name in enumerate(panel.individuals.id)}
    changes = []
    for child, *parents in pedigree:
        for h, parent in enumerate(parents if parents[0] else ()):
            own, of = alleles[:, at[child] + h], alleles[:, at[parent] : at[parent] + 2]
            assert (own[:, None] == of).any(axis=1).all()
            told = np.flatnonzero(of[:, 0] != of[:, 1])
            changes.append(np.count_nonzero(np.diff(own[told] == of[told, 0])))
    # 32 meioses of three Morgans
    assert np.mean(changes) == pytest.approx(3, abs=4 * np.sqrt(3 / len(changes)))


@pytest.mark.skipif(not shutil.which("plink2"), reason="plink2 is not installed")
def test_plink2_finds_the_same_kinship(sibships, tmp_path):
    folder, alleles, *_ = sibships
    command = ["plink2", "--pfile", folder / "20", "vzs", "--make-king", "square", "--out"]
    done = subprocess.run([*command, tmp_path / "k"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = Kinship(40)
    counts.add(alleles[:, 0::2] + alleles[:, 1::2])
    own = counts.coefficients(np.arange(40), np.arange(40))
    np.testing.assert_allclose(np.loadtxt(tmp_path / "k.king"), own, atol=1e-5)


@pytest.mark.skipif(not shutil.which("bcftools"), reason="bcftools is not installed")
def test_bcftools_finds_no_mendelian_error(sibships):
    folder, *_ = sibships
    command = ["bcftools", "+mendelian", folder / "20.vcf.gz", "-p", folder / "cohort.fam"]
    done = subprocess.run([*command, "-m", "c"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this bcftools has no plugin mendelian")
    rows = [line.split() for line in done.stdout.splitlines() if not line.startswith("#")]
    assert [row[:3] for row in rows] == [[str(N_SITES), "0", "0"]] * 16


def test_children_of_admixed_parents_have_their_ancestry(trained, tmp_path):
    sheet = make_sheet(
        trained, tmp_path / "cohort.tsv", size=12, children=1, admixture="A:0.5,B:0.5", admixed=0.5
    )
    alleles, panel = draw(trained, sheet)
    population = np.array(panel.individuals.population)
    assert (population.reshape(-1, 3) == population[::3, None]).all()
    assert (population == "admixed").sum() == 6
    label = np.full(alleles.shape, -1)
    for row in read_table(tmp_path / "20.ancestry.bed"):
        inside = panel.sites.position - 1 >= int(row["start"])
        inside &= panel.sites.position <= int(row["end"])
        column = 2 * panel.individuals.id.index(row["individual"]) + int(row["haplotype"]) - 1
        label[inside, column] = BREEDS.index(row["ancestry"])
    children = np.flatnonzero((np.arange(12) % 3 == 2) & (population == "admixed"))
    own, told = (x[1::2][:, np.append(2 * children, 2 * children + 1)] for x in (alleles, label))
    assert (told >= 0).all()
    for kind, frequency in ((0, 0.03), (1, 0.97)):
        assert own[told == kind].mean() == pytest.approx(frequency, abs=0.03)


def descent_of(ploidy, sexes):
    """Labels (n_sites, n_haplotypes) of a couple and its children."""
    names = [f"P{i}" for i in range(len(sexes))]
    zero, n = [0.0] * len(names), len(names)
    cohort = Cohort(
        Individuals(names, ["A"] * n, sexes), list(range(n)), [{}] * n, zero, zero, zero,
        [("", "")] * 2 + [("P0", "P1")] * (n - 2),
    )  # fmt: skip
    return cohort.descent("c", np.linspace(0, 150, 500), ploidy).at(0, 500)


def test_recombination_fractions_are_those_of_haldane():
    label = descent_of(Ploidy.DIPLOID, ["male", "female"] + ["male"] * 600)
    for h, own in ((0, (0, 1)), (1, (2, 3))):
        gametes = label[:, 4 + h :: 2]
        assert set(np.unique(gametes)) == set(own)
        assert (gametes == own[0]).mean() == pytest.approx(0.5, abs=0.05)
        for d in (10, 50, 100):  # centimorgans, at 0.3 a site
            step = round(d / 150 * 499)
            changed = (gametes[step:] != gametes[:-step]).mean()
            assert changed == pytest.approx((1 - np.exp(-2 * d / 100)) / 2, abs=0.03)


def test_x_y_and_mt_are_inherited_as_in_humans():
    sexes = ["male", "female", "male", "female"]
    x = descent_of(Ploidy.X_LINKED, [*sexes, *["male", "female"] * 5])
    son, daughter = x[:, 4:6], x[:, 6:8]
    np.testing.assert_array_equal(son[:, 0], son[:, 1])
    assert set(np.unique(x[:, 4::4])) == {2, 3}  # sons: the mother's, recombined
    assert len(np.unique(daughter[:, 0])) == 1
    assert set(np.unique(x[:, 6::4])) <= {0, 1}  # daughters: the father's as it is
    assert set(np.unique(x[:, 7::4])) == {2, 3}
    mt = descent_of(Ploidy.HAPLOID, sexes)
    assert all(set(np.unique(mt[:, i])) <= {2, 3} for i in range(4, 8))
    assert (mt[0] == mt).all()
    y = descent_of(Ploidy.Y_LINKED, sexes)[:, 4:6]
    assert (y[0] == y).all()
    assert y[0, 0] in (0, 1)


def test_what_is_no_family_is_said(trained, sibships, tmp_path):
    with pytest.raises(InputError, match="are no family of 1 of 3 individuals"):
        make_sheet(trained, tmp_path / "c.tsv", size=3, children=2)
    text = (sibships[0] / "cohort.tsv").read_text()
    row = next(line for line in text.splitlines() if line.split("\t")[-1].startswith("SYN"))
    cells = row.split("\t")
    for at, value, found in (
        (9, cells[10], "'father' names no male individual of an earlier line"),
        (10, "", "'mother' names no female"),
        (9, cells[0], "'father' names no male"),
        (6, "0.1", "'inbreeding' is that of somebody who has parents"),
        (8, "a b", "'family' has white space"),
    ):
        spoilt = "\t".join([*cells[:at], value, *cells[at + 1 :]])
        (tmp_path / "c.tsv").write_text(text.replace(row, spoilt))
        with pytest.raises(InputError, match=found):
            read_cohort(tmp_path / "c.tsv")
    done = call_genoloom(
        "redraw", "--model", trained / "20.safetensors", "--cohort", sibships[0] / "cohort.tsv",
        "--panel", trained / "20", "--split", trained / "split.tsv", "--out", tmp_path / "r.tsv",
        "--summary", tmp_path / "r.json",
    )  # fmt: skip
    assert done.returncode == 2
    assert "has families, which cannot be redrawn" in done.stderr
    with pytest.raises(ValueError, match="a family cannot be redrawn"):
        Config.model_validate({"cohort": {"children": 1}, "redraw": {"enabled": True}})
