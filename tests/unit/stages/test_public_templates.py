"""Templates of a public panel: nothing of the private individuals but their populations and sites
reaches the model or its draws.
"""

import numpy as np
import pytest
from helpers import founder_mosaic, make_sites

from genoloom.config import CohortOptions, GenerateOptions
from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.splits import write_split
from genoloom.panel import Individuals
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.train import train
from genoloom.training_config import CopyingNetworkOptions, TrainOptions

TINY = {"block": 4, "width": 8, "steps": 4, "temperature": 0.9}


def write_panel(prefix, alleles, sites, name, populations=("A", "B")):
    n = alleles.shape[1] // 2
    individuals = Individuals(
        [f"{name}{i}" for i in range(n)],
        [populations[i % len(populations)] for i in range(n)],
        ["unknown"] * n,
    )
    with PanelWriter(prefix, individuals, "20", 10**6) as writer:
        writer.append(sites, alleles)
    return individuals


@pytest.fixture
def panels(tmp_path):
    """30 private and 40 public individuals; the public panel lacks four sites of the private one
    and has others.
    """
    alleles = founder_mosaic(48, 140, np.random.default_rng(2), founders=10)
    sites = make_sites(48)
    individuals = write_panel(
        tmp_path / "private", alleles[:40, :60], sites.take(slice(0, 40)), "private"
    )
    write_split(
        tmp_path / "split.tsv", individuals, (["train"] * 2 + ["holdout"] * 2) * 7 + ["train"] * 2
    )
    write_panel(tmp_path / "public.20", alleles[4:, 60:], sites.take(slice(4, 48)), "public")
    return tmp_path, alleles


def make(folder, name="private", **more):
    options = CopyingNetworkOptions(
        **{**TINY, "templates": "public", "public_panel": str(folder / "public.{contig}"), **more}
    )
    place = folder / "out" / name
    train(
        generator="copying_network", panel=folder / "private", split=folder / "split.tsv",
        model=place / "m.safetensors",
        history=place / "h.tsv", state=place / "state", common=TrainOptions(), options=options,
        seed=1, threads=1,
    )  # fmt: skip
    make_cohort(
        model=place / "m.safetensors",
        split=folder / "split.tsv",
        out=place / "cohort.tsv",
        options=CohortOptions(),
        seed=1,
    )
    generate(
        model=place / "m.safetensors", cohort=place / "cohort.tsv", out=place / "s.bcf",
        options=GenerateOptions(format="bcf"), seed=1,
        threads=1,
    )  # fmt: skip
    return [
        (place / file).read_bytes()
        for file in ("m.safetensors", "m.json", "s.pgen", "s.bcf", "cohort.tsv")
    ]


def test_no_byte_changes_when_a_private_individual_changes(panels):
    folder, alleles = panels
    before = make(folder, "before")
    changed = alleles[:40, :60].copy()
    changed[:, 2:4] = 1 - changed[:, 2:4]  # of the second individual, who trains
    write_panel(folder / "private", changed, make_sites(48).take(slice(0, 40)), "private")
    assert make(folder, "after") == before
    description = read_description(folder / "out" / "after" / "m.safetensors", "haplotypes")
    assert description["templates"] == {
        "kind": "public",
        "individuals": "40 individuals",
        "digest": description["data_digest"],
    }
    assert "public panel" in description["private"]
    assert str(folder) not in (folder / "out" / "after" / "m.json").read_text()
    assert description["n_variants"] <= 36


def test_private_templates_are_private(panels):
    folder, alleles = panels
    before = make(folder, "before", templates="private", public_panel=None)
    description = read_description(folder / "out" / "before" / "m.safetensors", "haplotypes")
    assert description["templates"]["kind"] == "private"
    assert "Treat both as private data" in description["private"]
    changed = alleles[:40, :60].copy()
    changed[:, 2:4] = 1 - changed[:, 2:4]
    write_panel(folder / "private", changed, make_sites(48).take(slice(0, 40)), "private")
    assert make(folder, "after", templates="private", public_panel=None)[0] != before[0]


@pytest.mark.parametrize(
    ("public", "message"),
    [
        ({"sites": make_sites(48, gap=77)}, "has none of the sites"),
        ({"populations": ("A",)}, "has nobody of the population 'B'"),
        ({"name": "private"}, "of the private panel"),
    ],
)
def test_panels_that_do_not_fit_are_refused(panels, public, message):
    folder, alleles = panels
    given = {"sites": make_sites(48), "name": "public"} | public
    write_panel(folder / "public.20", alleles[:, 60:], **given)
    with pytest.raises(InputError, match=message):
        make(folder)
    assert not (folder / "out" / "private" / "m.safetensors").exists()


def test_one_individual_is_too_few(panels):
    folder, alleles = panels
    write_panel(folder / "one.20", alleles[4:, :2], make_sites(48).take(slice(4, 48)), "one", ["A"])
    write_panel(
        folder / "private", alleles[:40, :2], make_sites(48).take(slice(0, 40)), "private", ["A"]
    )
    write_split(folder / "split.tsv", Individuals(["private0"], ["A"], ["unknown"]), ["train"])
    with pytest.raises(InputError, match=r"split\.tsv: has too few individuals to train on"):
        make(folder, templates="private", public_panel=None)
    with pytest.raises(InputError, match=r"one\.20: has too few individuals to train on"):
        make(folder, public_panel=str(folder / "one.20"))


def test_public_templates_and_their_panel_belong_together():
    for given in (
        {"templates": "public"},
        {"public_panel": "x"},
        {"templates": "private", "public_panel": "x"},
    ):
        with pytest.raises(ValueError, match="belong together"):
            CopyingNetworkOptions(**given)
