"""Synthetic individuals who repeat a training individual are drawn anew, the same way every
time.
"""

import json

import numpy as np
import pytest
from helpers import call_genoloom, founder_mosaic, make_individuals, make_sites

from genoloom.config import CohortOptions, GenerateOptions, RedrawOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.privacy.redraw import closest_allowed, squared_distances
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.redraw import redraw
from genoloom.stages.train import train
from genoloom.training_config import MosaicOptions, TrainOptions

N_TRAIN, N_MADE = 12, 150
CONTIGS = ("20", "21")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A generator that copies whole haplotypes: now and then both of one individual. Two training
    individuals are nearly twins.
    """
    folder = tmp_path_factory.mktemp("redraw")
    individuals = make_individuals(N_TRAIN + 12, ("X",))
    write_split(folder / "split.tsv", individuals, ["train"] * N_TRAIN + ["holdout"] * 12)
    for k, contig in enumerate(CONTIGS):
        sites = make_sites(120)
        sites = type(sites)(
            contig,
            *(getattr(sites, c) for c in ("position", "ref", "alt", "id", "cm", "contig_length")),
        )
        alleles = founder_mosaic(
            120, 2 * len(individuals), np.random.default_rng(k), founders=30, switch=0.1
        )
        alleles[:, 2:4] = alleles[:, 0:2]
        alleles[10:14, 2] ^= 1
        with PanelWriter(folder / contig, individuals, contig, 10**6) as writer:
            writer.append(sites, alleles)
        train(
            generator="mosaic", panel=folder / contig, split=folder / "split.tsv",
            model=folder / f"{contig}.safetensors",
            history=folder / "h.tsv", state=folder / "state", common=TrainOptions(min_mac=1),
            options=MosaicOptions(segment_cm=1e6), seed=3, threads=1,
        )  # fmt: skip
    make_cohort(
        model=folder / "20.safetensors", split=folder / "split.tsv", out=folder / "cohort.tsv",
        options=CohortOptions(size=N_MADE),
        seed=4,
    )  # fmt: skip
    return folder


def run(project, out, contigs=("20",), **options):
    redraw(
        models=[project / f"{c}.safetensors" for c in contigs], cohort=project / "cohort.tsv",
        panels=[project / c for c in contigs],
        split=project / "split.tsv", out=out / "cohort.tsv", summary=out / "redraw.json",
        options=RedrawOptions(**{"closer_than": 0.1, "attempts": 50} | options), threads=1,
    )  # fmt: skip
    return read_table(out / "cohort.tsv"), json.loads((out / "redraw.json").read_text())


def distances(project, cohort, out):
    """Squared distance of everybody made from a sheet to the nearest training individual, on contig
    20.
    """
    model = project / "20.safetensors"
    generate(
        model=model, cohort=cohort, out=out / "20.bcf", options=GenerateOptions(), seed=1, threads=1
    )
    synthetic, real = open_panel(out / "20"), open_panel(project / "20")
    keys = real.sites.keys()
    chosen = real.take_sites(np.array([keys.index(key) for key in synthetic.sites.keys()]))
    alleles = chosen.haplotypes.read(0, len(chosen.sites))[:, : 2 * N_TRAIN].astype(int)
    dosage = synthetic.haplotypes.read(0, len(synthetic.sites)).reshape(-1, N_MADE, 2).sum(axis=2)
    trained = alleles.reshape(-1, N_TRAIN, 2).sum(axis=2)
    squared = ((dosage[:, :, None] - trained[:, None, :]) ** 2).sum(axis=0)
    within = ((trained[:, :, None] - trained[:, None, :]) ** 2).sum(axis=0)
    np.fill_diagonal(within, 10**6)
    return squared.min(axis=1), within.min(axis=1)


def test_nobody_stays_too_close(project, tmp_path):
    before, within = distances(project, project / "cohort.tsv", tmp_path / "before")
    limit = np.sort(within)[1]  # all but a tenth of twelve individuals
    assert (before < limit).sum() > 3  # the generator does repeat individuals
    rows, summary = run(project, tmp_path)
    after, _ = distances(project, tmp_path / "cohort.tsv", tmp_path / "after")
    assert (after >= limit).all()
    assert summary["redrawn"] == (before < limit).sum()
    assert summary["draws"] >= summary["redrawn"]
    assert summary["individuals"] == N_MADE
    old = read_table(project / "cohort.tsv")
    changed = np.array([a["seed"] != b["seed"] for a, b in zip(old, rows, strict=True)])
    np.testing.assert_array_equal(changed, before < limit)  # and nobody else is
    assert [{**a, "seed": ""} for a in old] == [{**b, "seed": ""} for b in rows]


def test_the_same_sheet_ends_the_same(project, tmp_path):
    first, second = run(project, tmp_path / "a"), run(project, tmp_path / "b")
    assert first == second


def test_contigs_count_together(project, tmp_path):
    """Whoever repeats an individual on one contig seldom does on both: fewer are too close."""
    _, one = run(project, tmp_path / "one")
    _, both = run(project, tmp_path / "both", CONTIGS)
    assert both["redrawn"] < one["redrawn"]


def test_it_gives_up_with_an_error(project, tmp_path):
    with pytest.raises(
        InputError, match="are too close to training individuals after 2 more draws"
    ):
        run(project, tmp_path, closer_than=0.99, attempts=2)
    assert not (tmp_path / "cohort.tsv").exists()
    with pytest.raises(InputError, match="there is no panel of contig 21"):
        redraw(
            models=[project / "21.safetensors"], cohort=project / "cohort.tsv",
            panels=[project / "20"], split=project / "split.tsv",
            out=tmp_path / "cohort.tsv", summary=tmp_path / "redraw.json", options=RedrawOptions(),
            threads=1,
        )  # fmt: skip


def test_the_command(project, tmp_path):
    done = call_genoloom(
        "redraw", "--model", project / "20.safetensors", "--cohort", project / "cohort.tsv",
        "--panel", project / "20", "--split",
        project / "split.tsv", "--out", tmp_path / "cohort.tsv", "--summary",
        tmp_path / "redraw.json", "--closer-than", 0.1,
        "--attempts", 50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"of {N_MADE} synthetic individuals were too close" in done.stderr
    assert read_table(tmp_path / "cohort.tsv") == run(project, tmp_path / "again")[0]


def test_distances_and_limits_are_loops():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, (40, 12)).astype(np.int8), rng.integers(0, 2, (40, 8)).astype(np.int8)
    expected = [
        [
            sum((a[:, 2 * i] + a[:, 2 * i + 1] - b[:, 2 * j] - b[:, 2 * j + 1]) ** 2)
            for j in range(4)
        ]
        for i in range(6)
    ]
    np.testing.assert_allclose(squared_distances(a, b), expected)
    within = squared_distances(a, a)
    nearest = sorted(min(within[i, j] for j in range(6) if j != i) for i in range(6))
    assert closest_allowed(within, [""] * 6, 0.01) == nearest[0]
    assert closest_allowed(within, [""] * 6, 0.5) == nearest[2]
    family = ["a", "a", "", "", "b", "b"]
    apart = sorted(
        min(within[i, j] for j in range(6) if j != i and (i // 2 == 1 or i // 2 != j // 2))
        for i in range(6)
    )
    assert closest_allowed(within, family, 0.01) == apart[0]
    assert closest_allowed(within[:1, :1], [""], 0.1) == 0
