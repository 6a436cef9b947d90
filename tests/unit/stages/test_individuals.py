"""Who the synthetic individuals are: mixtures, admixture, and how two haplotypes make an
individual. Through files.
"""

import allel
import numpy as np
import pytest
from helpers import call_genoloom

from genoloom.cohort import parse_shares
from genoloom.config import CohortOptions, GenerateOptions
from genoloom.errors import InputError
from genoloom.formats.cohort_sheets import read_cohort
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.sheets import match_individuals, read_individuals
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.panel import Individuals, Sites
from genoloom.popgen.overlaps import Overlaps
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.train import train
from genoloom.training_config import IndependentOptions, TrainOptions

N_SITES, N_INDIVIDUALS, CONTIG_CM = 4000, 60, 200.0
# superpopulation, frequency of the alternate allele
POPULATIONS = {"A": ("X", 0.05), "B": ("Y", 0.95), "C": ("Y", 0.5)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Independent sites, whose alleles tell A from B; two contigs."""
    folder = tmp_path_factory.mktemp("individuals")
    rng = np.random.default_rng(1)
    population = list(POPULATIONS) * (N_INDIVIDUALS // 3)
    individuals = Individuals(
        [f"P{i}" for i in range(N_INDIVIDUALS)], population, ["unknown"] * N_INDIVIDUALS,
        superpopulation=[POPULATIONS[p][0] for p in population]
    )  # fmt: skip
    frequency = np.repeat([POPULATIONS[p][1] for p in population], 2)
    text = [np.array([value] * N_SITES, dtype=object) for value in "AC."]
    for contig in ("20", "21"):
        sites = Sites(
            contig,
            1000 * np.arange(1, N_SITES + 1),
            *text,
            np.linspace(0, CONTIG_CM, N_SITES),
            10**7,
        )
        with PanelWriter(folder / contig, individuals, contig, 10**7) as writer:
            writer.append(
                sites, (rng.random((N_SITES, 2 * N_INDIVIDUALS)) < frequency).astype(np.int8)
            )
        write_split(folder / "split.tsv", individuals, ["train"] * N_INDIVIDUALS)
        train(
            generator="independent", panel=folder / contig, split=folder / "split.tsv",
            model=folder / f"{contig}.safetensors",
            history=folder / "h.tsv", state=folder / "state", common=TrainOptions(),
            options=IndependentOptions(shrinkage=0.01),
            seed=3, threads=1,
        )  # fmt: skip
    return folder


def make(folder, out, contig="20", shard=1000, **options):
    """Alleles (n_sites, 2 n) and cohort of the asked individuals; files go to `out`."""
    make_cohort(
        model=folder / "20.safetensors", split=folder / "split.tsv", out=out / "cohort.tsv",
        options=CohortOptions(**options), seed=4,
    )  # fmt: skip
    generate(
        model=folder / f"{contig}.safetensors", cohort=out / "cohort.tsv",
        out=out / f"{contig}.bcf",
        options=GenerateOptions(shard=shard), seed=5, threads=1,
    )  # fmt: skip
    panel = open_panel(out / contig)
    return panel.haplotypes.read(0, len(panel.sites)), panel


def test_shares_of_superpopulations():
    trained, above = {"GBR": 30, "FIN": 10, "YRI": 20}, {"GBR": "EUR", "FIN": "EUR", "YRI": "AFR"}
    assert parse_shares("EUR:0.7,AFR:0.3", trained, above) == pytest.approx(
        {"GBR": 0.525, "FIN": 0.175, "YRI": 0.3}
    )
    assert parse_shares("EUR:1,FIN:1", trained, above) == pytest.approx(
        {"GBR": 0.375, "FIN": 0.625}
    )
    assert parse_shares("YRI:2", trained, {}) == {"YRI": 1.0}
    for text in ("EUR:1,EUR:1", "EUR:nan", "EUR:-1", "EUR", "EUR:0"):
        with pytest.raises(InputError):
            parse_shares(text, trained, above)
    with pytest.raises(InputError, match="one of GBR, FIN, YRI, AFR, EUR"):
        parse_shares("SAS:1", trained, above, "--admixture")


def test_superpopulations_come_from_the_sheet_and_reach_the_split(trained, tmp_path):
    sheet = tmp_path / "samples.tsv"
    sheet.write_text("individual\tpopulation\tsuperpopulation\nb\tYRI\tAFR\na\tGBR\tEUR\n")
    individuals = match_individuals(sheet, "file.vcf", ["a", "b"])
    assert individuals.superpopulation == ["EUR", "AFR"]
    sheet.write_text("individual\tpopulation\tsuperpopulation\nb\tYRI\tAFR\na\tYRI\tEUR\n")
    with pytest.raises(
        InputError, match="line 3: the population is of another superpopulation than on line 2"
    ):
        read_individuals(sheet)
    assert open_panel(trained / "20").individuals.superpopulation[:3] == ["X", "Y", "Y"]
    assert {(r["population"], r["superpopulation"]) for r in read_table(trained / "split.tsv")} == {
        ("A", "X"), ("B", "Y"), ("C", "Y"),
    }  # fmt: skip


def test_mixture_of_superpopulations(trained, tmp_path):
    _, panel = make(trained, tmp_path, size=40, populations="X:0.75,Y:0.25")
    counts = {p: panel.individuals.population.count(p) for p in "ABC"}
    assert counts == {"A": 30, "B": 5, "C": 5}
    assert panel.individuals.sex.count("female") == 20
    assert not list(tmp_path.glob("*.bed"))


def read_truth(path):
    return [
        (int(r["start"]), int(r["end"]), r["ancestry"], r["individual"], int(r["haplotype"]))
        for r in read_table(path)
    ]


def test_admixed_individuals_are_what_the_truth_says(trained, tmp_path):
    alleles, panel = make(
        trained, tmp_path, size=40, admixture="A:0.7,B:0.3", admixed=0.5, generations=8.0
    )
    admixed = [i for i, p in enumerate(panel.individuals.population) if p == "admixed"]
    assert len(admixed) == 20
    label = np.full(alleles.shape, "", dtype=object)
    for start, end, ancestry, individual, haplotype in read_truth(tmp_path / "20.ancestry.bed"):
        inside = (panel.sites.position - 1 >= start) & (panel.sites.position <= end)
        label[inside, 2 * panel.individuals.id.index(individual) + haplotype - 1] = ancestry
    columns = np.array([2 * i + h for i in admixed for h in (0, 1)])
    mixed, truth = alleles[:, columns], label[:, columns]
    assert set(np.unique(truth)) == {"A", "B"}
    assert mixed[truth == "A"].mean() == pytest.approx(0.05, abs=0.01)
    assert mixed[truth == "B"].mean() == pytest.approx(0.95, abs=0.01)
    # about 40 haplotypes x 2 Morgans x 8 events, of which 0.42 change the ancestry
    assert (truth == "B").mean() == pytest.approx(0.3, abs=0.06)
    changes = (truth[1:] != truth[:-1]).sum() / (len(columns) * CONTIG_CM / 100)
    assert changes == pytest.approx(8 * 2 * 0.7 * 0.3, rel=0.2)
    # the others are as they would be without admixture
    plain, _ = make(trained, tmp_path / "plain", size=40)
    others = np.setdiff1d(np.arange(80), columns)
    np.testing.assert_array_equal(alleles[:, others], plain[:, others])


def test_admixed_individuals_are_the_same_from_any_shard_and_carry_their_ancestry_through_contigs(
    trained, tmp_path
):
    options = {"size": 13, "admixture": "X:0.5,Y:0.5", "inbreeding": 0.3}
    one, _ = make(trained, tmp_path / "a", **options)
    other, _ = make(trained, tmp_path / "b", shard=3, **options)
    np.testing.assert_array_equal(one, other)
    assert (tmp_path / "a" / "20.ancestry.bed").read_text() == (
        tmp_path / "b" / "20.ancestry.bed"
    ).read_text()
    make(trained, tmp_path / "c", contig="21", **options)
    assert (tmp_path / "a" / "cohort.tsv").read_text() == (
        tmp_path / "c" / "cohort.tsv"
    ).read_text()
    tracts = [
        [row[:3] for row in read_truth(tmp_path / at)]
        for at in ("a/20.ancestry.bed", "c/21.ancestry.bed")
    ]
    assert tracts[0] != tracts[1]  # the same shares, other places


def test_random_pairs_are_in_hardy_weinberg_proportions(trained, tmp_path):
    alleles, _ = make(trained, tmp_path, size=200, populations="C:1")
    genotypes = allel.HaplotypeArray(alleles).to_genotypes(ploidy=2)
    coefficient = allel.inbreeding_coefficient(genotypes)
    assert np.nanmean(coefficient) == pytest.approx(0, abs=4 / np.sqrt(200 * N_SITES))
    first, second = (alleles[:, k::2].astype(float).ravel() - alleles.mean() for k in (0, 1))
    assert (first * second).mean() / alleles.var() == pytest.approx(
        np.var(alleles.mean(axis=1)) / alleles.var(), abs=4 / np.sqrt(200 * N_SITES)
    )


@pytest.mark.parametrize("coefficient", [1 / 16, 0.25])
def test_inbreeding_shows_in_heterozygosity_and_runs_of_homozygosity(
    trained, tmp_path, coefficient
):
    meioses = 6.0
    alleles, panel = make(
        trained, tmp_path, size=200, populations="C:1", inbreeding=coefficient, meioses=meioses
    )
    autozygous = np.zeros((N_SITES, 200), dtype=bool)
    lengths = []
    position = panel.sites.position
    for row in read_table(tmp_path / "20.autozygous.bed"):
        start, end = int(row["start"]), int(row["end"])
        autozygous[
            (position - 1 >= start) & (position <= end),
            panel.individuals.id.index(row["individual"]),
        ] = True
        if start > 0 and end < position[-1]:
            lengths.append((end - start) / 1000 * CONTIG_CM / N_SITES)
    heterozygous = alleles[:, 0::2] != alleles[:, 1::2]
    # the last site of a file belongs to the tract that reaches it
    assert not heterozygous[autozygous & (np.arange(N_SITES) < N_SITES - 1)[:, None]].any()
    n_tracts = 200 * CONTIG_CM / 100 * meioses * coefficient
    assert autozygous.mean() == pytest.approx(coefficient, rel=5 / np.sqrt(n_tracts))
    inbred = np.nanmean(
        allel.inbreeding_coefficient(allel.HaplotypeArray(alleles).to_genotypes(ploidy=2))
    )
    assert inbred == pytest.approx(autozygous.mean(), abs=0.01)
    # tracts inside the contig: exponential, but for those cut by its ends
    assert np.mean(lengths) == pytest.approx(100 / (meioses * (1 - coefficient)), rel=0.25)
    # outside, half of the sites are heterozygous: a run of 60 homozygous sites (3 cM) is no chance
    runs = [
        np.diff(np.flatnonzero(np.concatenate([[True], heterozygous[:, i], [True]])))
        for i in range(200)
    ]
    long_runs = np.concatenate(runs)
    share = long_runs[long_runs > 60].sum() / heterozygous.size
    # share of it in tracts > 3 cM
    tail = np.exp(-meioses * (1 - coefficient) * 0.03) * (1 + meioses * (1 - coefficient) * 0.03)
    assert share == pytest.approx(autozygous.mean() * tail, rel=0.1)


def test_what_cannot_be_made_is_said(trained, tmp_path):
    def cohort(**options):
        make_cohort(
            model=trained / "20.safetensors", split=trained / "split.tsv", out=tmp_path / "c.tsv",
            options=CohortOptions(**options),
            seed=1,
        )  # fmt: skip

    with pytest.raises(InputError, match="--admixture: the model knows no population 'Z'"):
        cohort(admixture="Z:1")
    done = call_genoloom(
        "cohort", "--model", trained / "20.safetensors", "--split", trained / "split.tsv", "--out",
        tmp_path / "c.tsv", "--inbreeding", 2
    )  # fmt: skip
    assert done.returncode == 2
    assert "--inbreeding" in done.stderr
    cohort(admixture="A:1,C:3", generations=5.0)
    text = (tmp_path / "c.tsv").read_text()
    (tmp_path / "c.tsv").write_text(text.replace("C:0.75", "C:much"))
    with pytest.raises(InputError, match="is no list of shares"):
        read_cohort(tmp_path / "c.tsv")
    (tmp_path / "c.tsv").write_text(text.replace("C:0.75", "Q:0.75"))
    with pytest.raises(InputError, match="knows no population 'Q'"):
        generate(
            model=trained / "20.safetensors", cohort=tmp_path / "c.tsv", out=tmp_path / "20.bcf",
            options=GenerateOptions(), seed=1,
            threads=1,
        )  # fmt: skip


def test_overlapping_variants_never_meet_on_a_haplotype(tmp_path):
    """Admixed and inbred individuals of sites that crowd: no excluded pair, the same individuals in
    shards, copies that are equal.
    """
    rng, n = np.random.default_rng(8), 600
    position = np.sort(rng.integers(1, 2500, n))
    kinds = rng.integers(0, 3, n)
    ref = np.array(["AAAA" if kind == 2 else "A" for kind in kinds], dtype=object)
    alt = np.array(
        [
            ("ACGT"[i % 3 + 1], "A" + "ACGT"[i % 4] * (i % 97 + 1), "A")[kind]
            for i, kind in enumerate(kinds)
        ],
        dtype=object,
    )
    sites = Sites(
        "20",
        position,
        ref,
        alt,
        np.array([f"s{i}" for i in range(n)], dtype=object),
        position / 25.0,
        10**4,
    )
    individuals = Individuals([f"P{i}" for i in range(30)], ["A", "B", "C"] * 10, ["unknown"] * 30)
    with PanelWriter(tmp_path / "20", individuals, "20", 10**4) as writer:
        writer.append(sites, (rng.random((n, 60)) < 0.3).astype(np.int8))
    write_split(tmp_path / "split.tsv", individuals, ["train"] * 30)
    train(
        generator="independent", panel=tmp_path / "20", split=tmp_path / "split.tsv",
        model=tmp_path / "20.safetensors",
        history=tmp_path / "h.tsv", state=tmp_path / "state", common=TrainOptions(),
        options=IndependentOptions(), seed=3, threads=1,
    )  # fmt: skip
    wanted = {
        "size": 20,
        "admixture": "A:0.5,B:0.5",
        "admixed": 0.5,
        "generations": 20,
        "inbreeding": 0.5,
        "meioses": 20,
    }
    alleles, panel = make(tmp_path, tmp_path / "whole", **wanted)
    overlaps = Overlaps(panel.sites.position, panel.sites.ref, panel.sites.alt)
    assert len(overlaps.pairs) > 100
    assert overlaps.count(alleles).sum() == 0
    np.testing.assert_array_equal(make(tmp_path, tmp_path / "parts", shard=3, **wanted)[0], alleles)
    copied = [
        line.split()
        for line in (tmp_path / "whole" / "20.autozygous.bed").read_text().splitlines()
        if line[0] != "#"
    ]
    assert copied
    for _, start, stop, individual, *_ in copied:
        inside, i = (
            (panel.sites.position > int(start)) & (panel.sites.position <= int(stop)),
            panel.individuals.id.index(individual),
        )
        np.testing.assert_array_equal(alleles[inside, 2 * i], alleles[inside, 2 * i + 1])
