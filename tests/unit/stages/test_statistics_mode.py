"""Mode `statistics`: a cohort is measured with noise, what it costs is kept, and only that reaches
the model and its draws.
"""

import json

import numpy as np
import pytest
from helpers import founder_mosaic
from public_individuals import add, cli, write_raw

from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.pgen import open_panel
from genoloom.formats.privacy_budget import read_budget
from genoloom.formats.provenance import read_provenance
from genoloom.formats.statistics_files import read_statistics
from genoloom.models.haplotype.templates import BlockTables
from genoloom.models.load import load_generator
from genoloom.panel import ArrayHaplotypes
from genoloom.panels.reweighting import read_reweighting
from genoloom.privacy.accounting import epsilon_of, mu_of, together

TINY = ("--block-size", 4, "--width", 8, "--steps", 4, "--temperature", 0.9, "--device", "cpu")
LABELS = ("--populations", "FIN:A,IBS:B")
N_SITES = 64


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """40 public individuals, matched with 60 private ones: FIN carry what few of A do."""
    folder = tmp_path_factory.mktemp("statistics")
    rng = np.random.default_rng(2)
    alleles = founder_mosaic(N_SITES, 200, rng, founders=10)
    near = alleles[:, 0]
    apart = (alleles != near[:, None]).sum(axis=0)
    private, public = np.argsort(apart)[:120], np.argsort(apart)[120:]
    add(folder, write_raw(folder, alleles[:, rng.permutation(public)]))
    _, vcf, _, sheet = write_raw(folder, alleles[:, private], "cohort", ("FIN", "IBS", "B"))
    panel = folder / "cohort/20"
    files = ("--variants", vcf, "--samples", sheet, "--contig", 20)
    cli("prepare", *files, "--out", panel, "--min-mac", 0)
    cli("split", "--panel", panel, "--out", folder / "split.tsv", "--summary", folder / "s.json")
    where = ("--folder", folder / "panels", "--contig", 20, "--out", folder / "templates/20")
    cli("panel", "match", "pub", "--panel", panel, *where, *LABELS)
    return folder


def measured(study, out, *options, budget=None, split="split.tsv", labels=LABELS):
    budget = budget or out.parent / "private/budget.json"
    files = ("--panel", study / "cohort/20", "--templates", study / "templates/20")
    given = ("--split", study / split, "--out", out, "--budget", budget, *labels)
    said = cli("panel", "measure", *files, *given, *options)
    (out.parent / "log").write_text(said)
    return out


def trained(study, place, statistics):
    mode = ("--privacy-mode", "statistics", "--statistics", statistics, *LABELS)
    kept = ("--history", place / "h.tsv", "--state", place / "state", "--seed", 1)
    model = place / "m.safetensors"
    files = ("--panel", study / "templates/20", "--model", model)
    cli("train", "copying_network", *files, *mode, *kept, *TINY)
    return model


def drawn(place, model):
    """60 individuals of FIN: the sites that the model has, and their frequencies."""
    cohort = ("--out", place / "c.tsv", "--size", 60, "--populations", "FIN:1")
    cli("cohort", "--model", model, *cohort)
    cli("generate", "--model", model, "--out", place / "s.bcf", "--cohort", place / "c.tsv")
    panel = open_panel(place / "s")
    return panel.sites.keys(), panel.haplotypes.read(0, len(panel.sites)).mean(axis=1)


def test_the_budget_stands_in_statistics_model_and_ledger(study, tmp_path):
    out = measured(study, tmp_path / "s.safetensors", "--epsilon", 3, "--delta", 1e-4)
    words, _ = read_statistics(out)
    said = words.guarantee
    assert (said.epsilon, said.delta, said.noise) == (3.0, 1e-4, "secret key")
    assert said.mu == said.mu_of_this == pytest.approx(mu_of(3, 1e-4))
    assert list(words.counts) == list(said.sensitivity) == ["B", "FIN", "IBS"]
    # of the budget a tenth was for the counts
    assert said.noise_multiplier == pytest.approx(1 / (said.mu * np.sqrt(0.9)))
    assert list(read_budget(tmp_path / "private/budget.json").values()) == [said.mu]
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "private/noise.key").stat().st_mode & 0o077 == 0
    record = read_provenance(tmp_path / "s.provenance.json")
    assert {role.partition("/")[0] for role in record.inputs} == {"panel", "templates", "split"}

    description = read_description(trained(study, tmp_path, out), "haplotypes")
    assert description["privacy"] == said.model_dump()
    assert description["stands_for"] == {"FIN": "A", "IBS": "B"}
    assert description["population_names"] == ["A", "B", "FIN", "IBS"]
    assert "labels" not in description or not description["labels"]
    assert "statistics with noise" in description["private"]
    text = (tmp_path / "m.json").read_text() + (tmp_path / "s.json").read_text()
    assert str(study) not in text
    assert "cohort1" not in text
    inputs = read_provenance(tmp_path / "m.provenance.json").inputs
    assert {role.partition("/")[0] for role in inputs} == {"templates", "statistics"}


def test_the_same_measurement_again_is_the_same_and_free(study, tmp_path):
    first = measured(study, tmp_path / "1.safetensors", "--epsilon", 3).read_bytes()
    again = measured(study, tmp_path / "2.safetensors", "--epsilon", 3).read_bytes()
    assert first == again
    assert len(read_budget(tmp_path / "private/budget.json")) == 1
    other = tmp_path / "other/b.json"
    assert (
        measured(study, tmp_path / "3.safetensors", "--epsilon", 3, budget=other).read_bytes()
        != first
    )


def test_epsilon_is_of_all_measurements_together_and_never_lower(study, tmp_path):
    budget = tmp_path / "private/budget.json"
    one = measured(study, tmp_path / "1.safetensors", "--epsilon", 1)
    three = measured(study, tmp_path / "3.safetensors", "--epsilon", 3)
    found = [read_statistics(path)[0].guarantee for path in (one, three)]
    assert [x.epsilon for x in found] == [1.0, 3.0]
    assert found[1].mu_of_this == pytest.approx(np.sqrt(mu_of(3, 1e-5) ** 2 - mu_of(1, 1e-5) ** 2))
    spent = list(read_budget(budget).values())
    assert epsilon_of(together(spent), 1e-5) == pytest.approx(3)
    # who else trains is another measurement, and there is nothing left for it
    text = (study / "split.tsv").read_text()
    other = (
        text.replace("\ttrain", "\tX").replace("\tholdout", "\ttrain").replace("\tX", "\tholdout")
    )
    (study / "other.tsv").write_text(other)
    for options in (("--epsilon", 3), ("--epsilon", 3, "--noise", "seed")):
        with pytest.raises(InputError, match="epsilon 3 of this cohort is spent: 3"):
            measured(study, tmp_path / "x.safetensors", *options, split="other.tsv")
    assert not (tmp_path / "x.safetensors").exists()
    # what was measured with a smaller epsilon says what has been spent since
    again, _ = read_statistics(measured(study, tmp_path / "1.safetensors", "--epsilon", 1))
    assert again.guarantee.epsilon == 3.0
    assert again.guarantee.mu_of_this == found[0].mu_of_this


def test_a_killed_measurement_stays_paid(study, tmp_path, monkeypatch):
    """A budget that begins anew when a run goes on would be spent twice."""
    from genoloom.stages import cohort_statistics

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cohort_statistics, "estimate", killed)
    with pytest.raises(SystemExit):
        measured_in_process(study, tmp_path)
    monkeypatch.undo()
    budget = tmp_path / "private/budget.json"
    before = read_budget(budget)
    assert list(before.values()) == [pytest.approx(mu_of(3, 1e-5))]
    measured(study, tmp_path / "s.safetensors", "--epsilon", 3)
    assert read_budget(budget) == before


def measured_in_process(study, tmp_path):
    from genoloom.stages.cohort_statistics import measure_cohort

    try:
        measure_cohort(
            panels=[study / "cohort/20"], templates=[study / "templates/20"],
            split=study / "split.tsv", out=tmp_path / "s.safetensors",
            budget=tmp_path / "private/budget.json", epsilon=3.0, populations=LABELS[1],
        )  # fmt: skip
    except KeyboardInterrupt:
        raise SystemExit from None


def test_draws_follow_the_cohort_as_far_as_epsilon_lets_them(study, tmp_path):
    """Of much epsilon the frequencies are those of the cohort, of little the public ones."""
    sites = open_panel(study / "templates/20").sites

    def frequencies(prefix, population):
        panel, names = open_panel(prefix), sites.keys()
        panel = panel.take_sites([panel.sites.keys().index(key) for key in names])
        inside = np.repeat(np.array(panel.individuals.population) == population, 2)
        return panel.haplotypes.read(0, len(names))[:, inside].mean(axis=1)

    ours, theirs = frequencies(study / "cohort/20", "FIN"), frequencies(study / "templates/20", "A")
    apart = np.sqrt(((ours - theirs) ** 2).mean())
    errors, whole = {}, open_panel(study / "templates/20")
    alleles = whole.haplotypes.read(0, len(sites))
    given = {"much": ("--epsilon", 2000), "little": ("--epsilon", 0.01), "exact": ()}
    for name, options in given.items():
        place = tmp_path / name
        place.mkdir()
        out = measured(study, place / "s.safetensors", *options, "--noise", "seed")
        told, _ = read_reweighting(out, whole, np.arange(len(sites)))
        weights = [told.weights(told.window(k))[1] for k in range(len(sites))]
        assert np.sum(weights, axis=1) == pytest.approx(1)
        meant = (alleles * np.stack(weights)).sum(axis=1)
        if name == "much":
            keys, made = drawn(place, trained(study, place, out))
            at = [sites.keys().index(key) for key in keys]
            # draws are nearer to what the weights say than to the population that stands in
            assert ((made - meant[at]) ** 2).sum() < 0.5 * ((made - theirs[at]) ** 2).sum()
        errors[name] = np.sqrt(((meant - ours) ** 2).mean()) / apart
    assert errors["much"] < 0.9
    assert errors["exact"] < 1
    assert errors["little"] == pytest.approx(1, abs=0.01)


def test_without_noise_nothing_is_guaranteed_and_small_cells_are_gone(study, tmp_path):
    out = measured(study, tmp_path / "s.safetensors")
    assert "no guarantee for anybody" in (tmp_path / "log").read_text()
    words, arrays = read_statistics(out)
    assert words.guarantee.epsilon is None
    assert words.guarantee.noise == "none"
    assert not (tmp_path / "private/budget.json").exists()
    counts = arrays["20.counts"]
    assert counts[counts > 0].min() >= 5
    description = read_description(trained(study, tmp_path, out), "haplotypes")
    assert "There is no guarantee" in description["private"]
    assert description["privacy"]["epsilon"] is None


def test_anchors_score_whom_they_make_more_frequent(study, tmp_path):
    out = measured(study, tmp_path / "s.safetensors")
    generator, sites, _ = load_generator(trained(study, tmp_path, out))
    names = generator.population_names
    panel = open_panel(study / "templates/20")
    panel = panel.take_sites([panel.sites.keys().index(key) for key in sites.keys()])
    alleles = panel.haplotypes.read(0, len(sites))[:, :12]
    population = np.repeat([names.index(x) for x in ("FIN", "IBS", "B")], 4)
    found = generator.anchor_score(ArrayHaplotypes(alleles), population)
    tables, size, wanted = (
        BlockTables(generator.panel, 0),
        generator.options.block_size,
        np.zeros(12),
    )
    for k, factors in enumerate(generator.anchors.factors):
        block = alleles[k * size : (k + 1) * size].T
        tokens = tables.table(k).alleles(size)[:, : block.shape[1]].tolist()
        for row, p in enumerate(population):
            if block[row].tolist() in tokens:
                token = tokens.index(block[row].tolist())
                public = names.index(generator.stands_for.get(names[p], names[p]))
                wanted[row] += np.log(factors[p, token] / factors[public, token])
    assert found == pytest.approx(wanted, abs=1e-4)
    assert not found[8:].any()  # B stands for itself
    assert np.abs(found[:8]).min() > 0


def test_noise_of_a_seed_is_called_so(study, tmp_path):
    options = ("--epsilon", 3, "--noise", "seed", "--seed", 5)
    out = measured(study, tmp_path / "s.safetensors", *options)
    assert "for tests, not for a release" in (tmp_path / "log").read_text()
    assert read_statistics(out)[0].guarantee.noise == "seed"
    assert not (tmp_path / "private/noise.key").exists()
    again = measured(study, tmp_path / "t.safetensors", *options, budget=tmp_path / "b/b.json")
    assert out.read_bytes() == again.read_bytes()


def test_files_that_do_not_fit_are_said(study, tmp_path):
    out = measured(study, tmp_path / "s.safetensors", "--epsilon", 3)
    with pytest.raises(InputError, match="knows no population 'C'"):
        measured(study, out, "--epsilon", 3, labels=("--populations", "FIN:C"))
    with pytest.raises(InputError, match="has no population 'IBS'"):
        measured(study, out, "--epsilon", 3, labels=("--populations", "FIN:A"))
    with pytest.raises(InputError, match="far below one in the number of individuals"):
        measured(study, out, "--epsilon", 3, "--delta", 0.5)
    budget = tmp_path / "private/budget.json"
    for text in ("{", '{"version": 2}', '{"version": 1, "measured": {"x": {"mu": 1}}}'):
        budget.write_text(text)
        with pytest.raises(InputError, match="is no budget of privacy"):
            measured(study, out, "--epsilon", 3)
    whole = out.read_bytes()
    out.write_bytes(whole[:-8] + b"\1" * 8)
    with pytest.raises(InputError, match="not what was written"):
        trained(study, tmp_path, out)
    out.write_bytes(whole)
    kept = [x for name in ("model", "history", "state") for x in (f"--{name}", tmp_path / name)]
    templates = ("train", "copying_network", "--panel", study / "templates/20", *kept)
    for given in (
        ("--privacy-mode", "statistics", *LABELS),
        ("--privacy-mode", "public", "--statistics", out),
    ):
        with pytest.raises(InputError, match="genoloom panel measure"):
            cli(*templates, *given)
    with pytest.raises(InputError, match="--anchor: is off"):
        cli(*templates, "--privacy-mode", "statistics", "--statistics", out, "--anchor", "false")
    assert json.loads((tmp_path / "s.json").read_text())["guarantee"]["epsilon"] == 3.0
