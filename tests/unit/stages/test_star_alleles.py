"""`genoloom star-alleles` through files."""

import click.testing
import numpy as np
import pytest
from helpers import make_sites

from genoloom.cli import genoloom
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.tables import read_table
from genoloom.panel import Individuals

N = 120
# of CYP2C9, in GRCh38: *2, *8, which only synthetic individuals lose, and *3
VARIANTS = [(94942290, "C", "T"), (94942309, "G", "A"), (94981296, "A", "C")]
SHARES = [0.2, 0.15, 0.15, 0.5]


def write(folder, name, rng, lost=(), contig="chr10"):
    """Haplotypes with at most one variant."""
    drawn = rng.choice(len(SHARES), 2 * N, p=SHARES)
    alleles = (drawn == np.arange(len(VARIANTS))[:, None]).astype(np.int8)
    for i, v in enumerate(VARIANTS):
        if v[0] in lost:
            alleles[i] = 0
    sites = make_sites(len(VARIANTS))
    for i, v in enumerate(VARIANTS):
        sites.position[i], sites.ref[i], sites.alt[i] = v
    object.__setattr__(sites, "contig", contig)
    individuals = Individuals([f"{name}{i}" for i in range(N)], ["A", "B"] * (N // 2), ["male"] * N)
    with PanelWriter(folder / name, individuals, contig, 200_000_000) as writer:
        writer.append(sites, alleles)
    return folder / f"{name}.pgen"


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(8)
    lost = {"made": (94942309,)}
    return {n: write(tmp_path, n, rng, lost.get(n, ())) for n in ("train", "holdout", "made")}


def run(files, out, *more, build="GRCh38"):
    words = ["star-alleles", "--train", files["train"], "--holdout", files["holdout"], "--build"]
    words += [build, "--synthetic", files["made"], "--out", out, *more]
    done = click.testing.CliRunner().invoke(genoloom, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return read_table(out)


def test_distances_and_lost_alleles(files, tmp_path):
    table = run(files, tmp_path / "t.tsv", "--calls", tmp_path / "c.tsv")
    assert {r["gene"] for r in table} == {"CYP2C9"}
    value = {(r["metric"], r["population"], r["data"]): float(r["value"]) for r in table}
    for metric in ("diplotype_tv", "phenotype_tv"):
        for population in ("all", "A", "B"):
            assert (metric, population, "synthetic") in value
            assert value[metric, population, "real"] < 0.3
    assert value["diplotype_tv", "all", "synthetic"] > value["diplotype_tv", "all", "real"]
    assert value["alleles_lost", "all", "synthetic"] == 1
    assert value["unmatched_haplotypes", "all", "synthetic"] == 0
    assert value["unmatched_haplotypes", "all", "real"] == 0
    assert value["variants_found", "all", "synthetic"] == 3
    calls = read_table(tmp_path / "c.tsv")
    assert len(calls) == N
    assert {r["individual"] for r in calls} == {f"made{i}" for i in range(N)}
    assert {r["phenotype"] for r in calls} <= {
        "Normal Metabolizer", "Intermediate Metabolizer", "Poor Metabolizer",
    }  # fmt: skip
    assert all(float(r["score"]) == 2 for r in calls if r["diplotype"] == "*1/*1")


@pytest.mark.parametrize(
    ("more", "build", "found"),
    [
        (("--genes", "CYP2D6"), "GRCh38", "'CYP2D6' are not known without copy numbers"),
        (("--genes", "CYP2C9,CYP9"), "GRCh38", "'CYP9' are not known"),
        (("--genes", "TPMT"), "GRCh38", "has no defining variant of TPMT"),
        ((), "GRCh37", "has no variant that defines a star allele in GRCh37"),
    ],
)
def test_what_cannot_be_called(files, tmp_path, more, build, found):
    with pytest.raises(InputError, match=found):
        run(files, tmp_path / "t.tsv", *more, build=build)
    assert not (tmp_path / "t.tsv").exists()
