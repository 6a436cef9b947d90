"""The benchmark of planted leaks, on the shipped data: what is planted is what is said, and is
caught.
"""

import numpy as np
import pytest

from benchmarks.datasets import make_panel
from benchmarks.runs import planted_leaks as bench
from genoloom.formats.pgen import open_panel
from genoloom.privacy_config import AuditOptions


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """Three hundred real individuals: a hundred a group."""
    prefix = tmp_path_factory.mktemp("demo") / "20"
    make_panel("demo", prefix, prefix)
    return open_panel(prefix)


def test_groups_are_apart_and_alike(panel):
    population = np.array(panel.individuals.population)
    groups = bench.thirds(population, None, np.random.default_rng(1))
    assert len(np.unique(np.concatenate(groups))) == 3 * len(groups[0]) > 290
    assert all((population[g] == population[groups[0]]).all() for g in groups)
    assert len(bench.thirds(population, 60, np.random.default_rng(1))[0]) in range(56, 61)


def test_what_is_planted_is_what_is_said():
    rng = np.random.default_rng(2)
    fresh, real = (rng.integers(0, 2, (500, k)).astype(np.int8) for k in (40, 80))
    real[:50] = 0
    real[:50, 40:44] = 1  # four copies, all of training individuals
    population = np.repeat(["A", "B"], [12, 8])
    train = real[:, 40:]

    def copied(kind, share, mutation_rate=0.0):
        made = bench.plant(
            bench.Leak(kind, share, mutation_rate),
            fresh,
            real,
            population,
            np.random.default_rng(3),
        )
        # (of training haplotype, of synthetic one)
        same = (made[:, None, :] == train[:, :, None]).mean(axis=0)
        return made, same

    assert (bench.plant(bench.Leak("none"), fresh, real, population, rng) == fresh).all()
    _, same = copied("individuals", 0.2)
    # both haplotypes of four individuals
    assert ((same == 1).sum(axis=0).reshape(20, 2).sum(axis=1) == 2).sum() == 4
    _, same = copied("individuals", 0.2, 0.1)
    assert sorted(same.max(axis=0))[-8:] == pytest.approx([0.9] * 8, abs=0.05)
    made, same = copied("half", 0.2)
    assert (
        (made[:250, None, :] == train[:250, :, None]).all(axis=0).any(axis=0).sum(),
        (same == 1).any(),
    ) == (8, False)
    _, same = copied("haplotypes", 0.2)
    assert (same == 1).any(axis=0).sum() == 8
    assert (same == 1).any(axis=0).reshape(20, 2).sum(axis=1).max() == 1
    _, same = copied("population", 1.0)
    assert (same == 1).any(axis=0).tolist() == [True] * 24 + [False] * 16
    made, _ = copied("rare", 1.0)
    assert (made[:50][train[:50] == 1] == 1).all()
    assert (made[50:] == fresh[50:]).all()


@pytest.mark.parametrize(
    ("kind", "share", "mutation_rate"),
    [
        ("individuals", 0.2, 0.005), ("population", 1.0, 0.0), ("rare", 1.0, 0.0),
        # few, or in parts: five individuals, half of twenty individuals' regions, one haplotype in
        # each of ten individuals
        ("individuals", 0.05, 0.0), ("half", 0.2, 0.0), ("haplotypes", 0.05, 0.0),
        ("rare", 0.2, 0.0),
    ],
)  # fmt: skip
def test_leaks_in_real_data_are_caught(panel, kind, share, mutation_rate):
    row = bench.judge(
        panel, bench.Leak(kind, share, mutation_rate), None, 1, AuditOptions(bootstrap=400)
    )
    assert row["individuals"] in range(97, 101)
    assert row["verdict"] == "fail", row
    near = [
        name
        for name in row["failed"].split("; ")
        if name.startswith(("near copies", "copied segments"))
    ]
    assert near
    quick = bench.judge(
        panel,
        bench.Leak(kind, share, mutation_rate),
        None,
        1,
        AuditOptions(bootstrap=400),
        quick=True,
    )
    assert quick["failed"].split("; ") == near
    assert quick["verdict"] == "fail"


def test_fresh_real_individuals_are_not_accused(panel):
    row = bench.judge(panel, bench.Leak("none"), None, 1, AuditOptions(bootstrap=400))
    # a hundred individuals cannot show that the worst attack stays below 0.6
    assert row["verdict"] in ("pass", "weak")
    assert row["failed"] == ""


def test_rows_add_up_to_a_summary():
    base = {
        "set": "demo",
        "leak": "individuals",
        "share": "0.05",
        "mutation_rate": "0.0",
        "worst": "0.55",
    }
    rows = [
        base | {"verdict": v, "failed": f}
        for v, f in (("fail", "near copies of individuals; x"), ("fail", "x"), ("weak", ""))
    ]
    [row] = bench.summarise(rows)
    assert (row["seeds"], row["caught"], row["weak"], row["passed"]) == (
        3,
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
        0,
    )
    assert row["by"] == "x 2, near copies of individuals 1"
