"""What a report shows next to data of a privacy mode."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_individuals, make_sites
from public_individuals import add, cli, write_raw

from genoloom.errors import InputError
from genoloom.formats.tables import read_records
from genoloom.panel import ArrayHaplotypes, Individuals, Panel
from genoloom.pipelines.public_comparison import nearest_populations
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.rows import AttackRow
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import ComparisonRow, Role

N_SITES = 96
LABELS = ("--populations", "FIN:A,IBS:B")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """60 public individuals of three populations, matched with 80 private ones."""
    folder = tmp_path_factory.mktemp("comparison")
    rng = np.random.default_rng(2)
    alleles = founder_mosaic(N_SITES, 280, rng, founders=40)
    add(folder, write_raw(folder, alleles[:, :120], populations=("A", "B", "C")))
    _, vcf, _, sheet = write_raw(folder, alleles[:, 120:], "cohort", ("FIN", "IBS"))
    files = ("--variants", vcf, "--samples", sheet, "--contig", 20, "--min-mac", 0)
    cli("prepare", *files, "--out", folder / "cohort/20")
    panel = ("--panel", folder / "cohort/20")
    cli("split", *panel, "--out", folder / "split.tsv", "--summary", folder / "s.json")
    where = ("--folder", folder / "panels", "--contig", 20, "--out", folder / "templates/20")
    cli("panel", "match", "pub", *panel, *where, *LABELS)
    tiny = ("--block-size", 4, "--width", 8, "--steps", 4, "--temperature", 0.9, "--device", "cpu")
    model = ("--model", folder / "m/20.safetensors")
    kept = ("--history", folder / "m/h.tsv", "--state", folder / "state")
    mode = ("--privacy-mode", "public", *LABELS)
    cli("train", "copying_network", "--panel", folder / "templates/20", *model, *kept, *mode, *tiny)
    size = ("--size", 40, "--populations", "FIN:1,IBS:1")
    cli("cohort", *model, "--out", folder / "c.tsv", *size)
    cli("generate", *model, "--out", folder / "made/20.bcf", "--cohort", folder / "c.tsv")
    return folder


def test_rows_next_to_public_data(study, tmp_path):
    files = ("--synthetic", study / "made/20", "--panel", study / "cohort/20")
    files += ("--split", study / "split.tsv", "--templates", study / "templates/20")
    given = ("--model", study / "m/20.safetensors", *LABELS, "--n-permutations", 2, "--seed", 1)
    where = ("--out", tmp_path / "f.tsv", "--public", tmp_path / "p.tsv")
    with pytest.raises(InputError, match="--model: nothing of contig 20"):
        cli("panel", "compare", *files, *where)
    said = cli("panel", "compare", *files, *given, *where)
    fidelity = read_records(tmp_path / "f.tsv", MetricRow)
    attacks = read_records(tmp_path / "p.tsv", AttackRow)
    shown = list(dict.fromkeys(row.generator for row in fidelity))
    assert shown == [row for row in ComparisonRow if row in shown]
    assert {*shown} >= {ComparisonRow.PUBLIC, ComparisonRow.MOSAIC, ComparisonRow.TWIN}
    assert {row.role for row in fidelity} == {Role.COMPARISON}
    auc = {(r.generator, r.metric): r.value for r in fidelity if r.of_all}
    assert auc[ComparisonRow.PUBLIC, "repeated_individuals"] < 0.1
    # nothing of the cohort is in the others, so there is nothing to attack
    assert {row.generator for row in attacks} == {ComparisonRow.TWIN}
    [worst] = [r for r in attacks if r.attack is AttackId.WORST and r.population == "all"]
    assert worst.value > 0.7
    text = said + "".join((tmp_path / name).read_text() for name in ("f.tsv", "p.tsv"))
    assert "cohort1" not in text
    assert str(study) not in text


def test_the_nearest_population_is_that_of_the_least_fst():
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.1, 0.9, (3, 200))
    sites = make_sites(200)

    def drawn(rows, names):
        chance = np.repeat(frequency[rows], 20, axis=0).T
        alleles = (rng.random(chance.shape) < chance).astype(np.int8)
        individuals = make_individuals(len(rows) * 10)
        labels = np.repeat(names, 10).tolist()
        own = Individuals(individuals.id, labels, individuals.sex)
        return Panel(sites, own, ArrayHaplotypes(alleles))

    cohort, public = drawn([2, 0], ["X", "Y"]), drawn([0, 1, 2], ["A", "B", "C"])
    assert nearest_populations([cohort], [public], ["X", "Y"]) == {"X": "C", "Y": "A"}
