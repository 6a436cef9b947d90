"""The release gate in mode `public`: it passes what is made from public individuals, and is not
fooled.
"""

import json
import shutil

import numpy as np
import pytest
import released_tree
from helpers import founder_mosaic, make_individuals, make_sites
from public_individuals import add
from released_tree import N_SITES, divide, measure, prepare_panel, restamp, sample, write_tables

from genoloom.config import CohortOptions
from genoloom.errors import GateError, InputError
from genoloom.formats.leak_ledger import read_ledger
from genoloom.formats.models import load_model, save_model
from genoloom.formats.pgen import PanelWriter, open_panel, panel_files
from genoloom.models import haplotype
from genoloom.models.load import SitesDescription, declare_sites
from genoloom.panel import Individuals
from genoloom.pipelines.release import release
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy_config import ReleaseOptions
from genoloom.stages.cohort import make_cohort
from genoloom.stages.cohort_statistics import measure_cohort
from genoloom.stages.public_match import match_panel
from genoloom.stages.train import train
from genoloom.training_config import CopyingNetworkOptions, TrainOptions

NAME = "copying_network"
TEMPLATES, MODEL = "results/templates/p/20", f"results/models/p/{NAME}/20.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _the_tree_is_of_this_generator():
    with pytest.MonkeyPatch.context() as patch:
        for place in ("MODELS", "MADE", "TABLES", "PRIVATE"):
            path = getattr(released_tree, place)
            patch.setattr(released_tree, place, path.replace(released_tree.NAME, NAME))
        patch.setattr(released_tree, "WORST", released_tree.WORST | {"generator": NAME})
        patch.setattr(released_tree, "NAME", NAME)
        # its 20 templates per population are in groups, and in their order
        patch.setattr("genoloom.models.haplotype.groups.MEMBERS", 10)
        yield


def write_individuals(prefix, alleles, names):
    individuals = make_individuals(len(names), ("X", "Y"))
    with PanelWriter(
        prefix, Individuals(names, individuals.population, individuals.sex), "20", 10**6
    ) as writer:
        writer.append(make_sites(N_SITES), alleles)


def register(folder, more=()):
    """40 public individuals, and `more` haplotypes."""
    alleles = founder_mosaic(N_SITES, 80, np.random.default_rng(9))
    alleles = np.concatenate([alleles, *more], axis=1)
    names = [f"OPEN{i:04d}" for i in range(alleles.shape[1] // 2)]
    write_individuals(folder / "public", alleles, names)
    rows = "".join(f"{name}\t{'XY'[i % 2]}\n" for i, name in enumerate(names))
    (folder / "public.tsv").write_text("individual\tpopulation\n" + rows)
    add(folder, ["--vcf", folder / "public.pgen", "--samples", folder / "public.tsv"])


def fit(folder, panel=None, statistics=None):
    model = folder / MODEL
    shutil.rmtree(folder / "state", ignore_errors=True)
    train(
        generator=NAME, panel=panel or folder / TEMPLATES, split=None, model=model,
        history=model.with_suffix(".history.tsv"), state=folder / "state",
        common=TrainOptions(min_mac=2, min_carriers=5, device="cpu"),
        options=CopyingNetworkOptions(block_size=4, width=8, steps=4, temperature=0.9), seed=3,
        threads=1, privacy_mode="statistics" if statistics else "public", statistics=statistics,
    )  # fmt: skip


def go_on(folder):
    """From the model to tables that pass."""
    make_cohort(
        model=folder / MODEL, split=None,
        out=folder / "results" / released_tree.MADE / "cohort.tsv",
        options=CohortOptions(size=30, populations="X:1,Y:1"), seed=4,
    )  # fmt: skip
    sample(folder)
    measure(folder)
    # what the audit has found: no shadow model
    audited = {"shadow_models": 0, "shadow_steps": 0.125}
    write_tables(folder / "results", attacks={AttackId.SHADOWS: ""}, audited=audited)


def match(folder):
    match_panel(
        name="pub", folder=folder / "panels", panels=[folder / "results/panels/p/20"], contig="20",
        out=folder / TEMPLATES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    released_tree.write_raw(folder)
    prepare_panel(folder)
    divide(folder)
    register(folder)
    match(folder)
    fit(folder)
    go_on(folder)
    return folder


@pytest.fixture
def project(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "p")
    return tmp_path / "p"


def make(project, public_panels="panels", **options):
    out = project / f"results/release/p/{NAME}"
    release(
        results=project / "results", panel="p", generator=NAME, out=out,
        options=ReleaseOptions(**options),
        public_panels=public_panels and project / public_panels,
    )  # fmt: skip
    return out


def reasons(project, **options) -> str:
    with pytest.raises(GateError) as error:
        make(project, **options)
    assert not (project / f"results/release/p/{NAME}").exists()
    return "\n".join(error.value.reasons)


def test_what_is_made_of_public_individuals_passes_without_shadow_models(project):
    text = (make(project) / "README.md").read_text()
    assert "public panel `pub` (source: a project, release 1; terms: open)" in text
    assert "found nobody of the cohort among them" in text
    assert (
        "| `shadow_models` | yes | not applicable: no row of the cohort trained the model |" in text
    )
    assert "No threshold is looser than by default" in text
    ledger = read_ledger(project / "results/private/p/leak_ledger.json")
    assert list(ledger.values()) == [0.0]


def test_the_registered_panel_must_be_there_as_it_was(project):
    assert "give the folder of registered panels" in reasons(project, public_panels=None)
    with open(project / "panels/pub/20.psam", "a") as table:
        table.write("x\tX\tX\t1\n")
    found = reasons(project)
    assert "templates 20: was made from another public/20.psam" in found


def test_a_model_of_the_cohort_is_no_public_one(project):
    """Its weights, templates and anchors are of private rows; what it says of itself is not."""
    fit(project, project / "results/panels/p/20")
    go_on(project)
    found = reasons(project)
    assert "model 20: was made from another templates/20.pgen" in found
    assert "model 20: was made from another templates/20.psam" in found


def test_anchors_of_private_rows_are_found(project):
    model = load_model(
        project / MODEL, "haplotypes", haplotype.generator_class, SitesDescription, declare_sites
    )
    model.arrays["anchors"][...] = 1
    save_model(project / MODEL, model.arrays, model.description)
    assert "model 20: 20.safetensors is not the file that was written" in reasons(project)


def test_a_record_that_names_the_cohort_is_a_reason(project):
    """Whoever anchors by the cohort in the open has read it."""
    record = project / "results" / released_tree.MODELS / "20.provenance.json"
    values = json.loads(record.read_text())
    restamp(record, inputs=values["inputs"] | {"split": "0" * 64})
    assert "model 20: was also made from split" in reasons(project)


def smuggle(project):
    """A individual of the cohort in place of a public one: templates, model, and records
    that fit.
    """
    private = open_panel(project / "results/panels/p/20")
    templates = open_panel(project / TEMPLATES)
    alleles = templates.haplotypes.read(0, len(templates.sites)).copy()
    at = {key: i for i, key in enumerate(private.sites.keys())}
    rows = [at[key] for key in templates.sites.keys()]
    alleles[:, :2] = private.haplotypes.read(0, len(private.sites))[rows][:, :2]
    with PanelWriter(project / TEMPLATES, templates.individuals, "20", 10**6) as writer:
        writer.append(templates.sites, alleles)
    restamp(project / f"{TEMPLATES}.provenance.json")
    fit(project)
    go_on(project)


def test_a_private_individual_among_the_templates_is_found(project):
    smuggle(project)
    found = reasons(project)
    assert "templates 20: are not individuals of the registered panel" in found
    assert "somebody of the cohort, or a close relative, is among them" in found


def test_a_private_individual_in_the_model_alone_is_found(project):
    kept = {path: path.read_bytes() for path in (project / "results/templates/p").iterdir()}
    smuggle(project)
    for path, content in kept.items():
        path.write_bytes(content)
    record = project / "results" / released_tree.MODELS / "20.provenance.json"
    digests = json.loads((project / f"{TEMPLATES}.provenance.json").read_text())["outputs"]
    names = [path.name for path in panel_files(project / TEMPLATES)]
    restamp(record, inputs={f"templates/{name}": digests[name] for name in names})
    assert "model 20: holds other haplotypes than the public panel's" in reasons(project)


def test_a_registered_panel_with_somebody_of_the_cohort_gives_no_template_of_him(project):
    private = open_panel(project / "results/panels/p/20")
    whole = np.zeros((N_SITES, 2), dtype=np.int8)
    rows = (private.sites.position // 100 - 1).tolist()
    whole[rows] = private.haplotypes.read(0, len(private.sites))[:, :2]
    shutil.rmtree(project / "panels")
    register(project, [whole])
    match(project)
    assert "OPEN0040" not in open_panel(project / TEMPLATES).individuals.id
    assert len(open_panel(project / TEMPLATES).individuals) == 40
    with pytest.raises(InputError, match="is there already"):
        register(project)


STATISTICS = "results/statistics/p.safetensors"


def measure_with(folder, **options):
    given = {"epsilon": 3.0} | options
    measure_cohort(
        panels=[folder / "results/panels/p/20"], templates=[folder / TEMPLATES],
        split=folder / "results/splits/p.tsv", out=folder / STATISTICS,
        budget=folder / "results/private/p/privacy_budget.json", **given,
    )  # fmt: skip
    fit(folder, statistics=folder / STATISTICS)
    go_on(folder)


@pytest.fixture(scope="module")
def measured(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured") / "p"
    shutil.copytree(finished, folder)
    measure_with(folder)
    return folder


@pytest.fixture
def noised(measured, tmp_path):
    shutil.copytree(measured, tmp_path / "p")
    return tmp_path / "p"


def test_noised_statistics_pass_with_their_guarantee_stated(noised):
    text = (make(noised) / "README.md").read_text()
    assert "Mode `statistics`" in text
    assert "differentially private with epsilon 3 and delta 1e-05 for each individual" in text
    assert "at most 5.4% of the cohort's individuals at 1 % false positives" in text
    assert "| `max_epsilon` | 8.0 | 8.0 |" in text
    assert "No threshold is looser than by default" in text


def test_attacks_beyond_chance_are_a_reason_whatever_epsilon_says(noised):
    audited = {"shadow_models": 0, "shadow_steps": 0.125}
    worst = {"value": 0.7, "low": 0.6, "high": 0.8, "reference": 0.55}
    write_tables(noised / "results", worst, {AttackId.SHADOWS: ""}, audited=audited)
    assert "the worst attack's AUC may be as high as 0.800" in reasons(noised)


def test_anchors_that_show_individuals_are_a_reason(noised):
    audited = {"shadow_models": 0, "shadow_steps": 0.125}
    path = noised / "results" / released_tree.PRIVATE / "audit.tsv"
    for value, told in ((0.54, False), (0.7, True)):
        write_tables(
            noised / "results", None, {AttackId.SHADOWS: "", AttackId.ANCHORS: "weak"},
            audited=audited,
        )  # fmt: skip
        lines = path.read_text().splitlines()
        at = next(i for i, line in enumerate(lines) if f"\t{AttackId.ANCHORS}\t" in line)
        lines[at] = lines[at].replace("\t0.51\t", f"\t{value}\t").replace("\t0.55", "\t0.75", 1)
        path.write_text("\n".join([*lines, ""]))
        found = reasons(noised)  # the table is not the file that was written, either way
        assert ("the AUC of its anchors is 0.7" in found) == told


def test_a_guarantee_that_is_not_that_of_the_statistics_is_a_reason(noised):
    model = load_model(
        noised / MODEL, "haplotypes", haplotype.generator_class, SitesDescription, declare_sites
    )
    model.description["privacy"]["epsilon"] = 0.1
    save_model(noised / MODEL, model.arrays, model.description)
    restamp(noised / "results" / released_tree.MODELS / "20.provenance.json")
    go_on(noised)
    assert "model: states another guarantee than the statistics" in reasons(noised)


def test_anchors_of_rows_in_a_model_that_calls_itself_public_are_found(noised):
    """What it was measured from is in its record, whatever its description says."""
    model = load_model(
        noised / MODEL, "haplotypes", haplotype.generator_class, SitesDescription, declare_sites
    )
    model.description["privacy"] = {"mode": "public"}
    save_model(noised / MODEL, model.arrays, model.description)
    restamp(noised / "results" / released_tree.MODELS / "20.provenance.json")
    assert "model 20: was also made from statistics" in reasons(noised)


def test_statistics_that_changed_or_that_nobody_paid_for_are_reasons(noised):
    assert "at most 2 may leave (release.max_epsilon)" in reasons(noised, max_epsilon=2)
    (noised / "results/private/p/privacy_budget.json").unlink()
    assert "the budget of the cohort does not know of them" in reasons(noised)
    with open(noised / "results/statistics/p.json", "a") as file:
        file.write(" ")
    assert "statistics: p.json is not the file that was written" in reasons(noised)


def test_noise_of_a_seed_does_not_leave(project):
    measure_with(project, noise="seed", seed=1)
    assert "their noise follows from a seed" in reasons(project)


def test_counts_without_noise_are_judged_as_any_data_of_the_cohort(project):
    measure_with(project, epsilon=None)
    assert "the audit had no shadow models" in reasons(project)
    text = (make(project, shadow_models=False) / "README.md").read_text()
    assert "counts of block haplotypes without noise" in text
    assert "no guarantee for anybody" in text
    assert "**(looser)**" in text
    ledger = read_ledger(project / "results/private/p/leak_ledger.json")
    assert min(ledger.values()) > 0
