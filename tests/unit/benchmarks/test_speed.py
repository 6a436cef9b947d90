"""Runs that measure time: what is made from the seconds."""

import sys

import numpy as np
import pytest

from benchmarks.programs import timed
from benchmarks.runs import peers_speed, scale
from benchmarks.simulated_panel import write_repeated
from genoloom.formats.pgen import open_panel


def test_columns_are_those_that_are_measured():
    assert {"cpu_s", "peak_mb", "ratio"} < set(scale.COLUMNS.split())
    assert {"cpu_s", "turn", "program"} < set(peers_speed.COLUMNS.split())


def test_a_straight_line_is_found_again():
    rows = [
        {
            "stage": "generate", "program": "p", "sites": sites, "individuals": individuals,
            "cpu_s": 3 + 4e-5 * sites + 2e-6 * sites * individuals, "peak_mb": 100 + sites / 1000,
        }
        for sites in (1000, 2000, 4000) for individuals in (10, 20, 40)
    ]  # fmt: skip
    (line,) = scale.slopes(rows)
    assert [line[c] for c in ("ns_per_genotype", "us_per_site", "fixed_s")] == ["2000", "40", "3"]
    assert [line[c] for c in ("r2", "peak_mb")] == ["1.00000", "101-104"]
    (line,) = scale.slopes([row | {"individuals": 10} for row in rows])
    assert (line["ns_per_genotype"], line["us_per_site"]) != ("2000", "40")
    assert line["us_per_site"] == ""  # sites and genotypes do not vary apart
    assert scale.slopes(rows[:2]) == []


def test_ratios_are_taken_turn_by_turn():
    rows = [
        {"task": "t", "program": program, "turn": turn, "cpu_s": seconds}
        for turn, (own, peer) in enumerate([(4, 2), (9, 3), (4, 1)])
        for program, seconds in (("genoloom", own), ("peer", peer))
    ]
    _, own, peer = peers_speed.summary(rows).splitlines()
    assert own.split("\t")[2:] == ["3", "4 (4-9)", "1"]
    assert peer.split("\t")[2:] == ["3", "2 (1-3)", "3 (2-4)"]


def test_a_program_is_measured_with_its_memory():
    lines = "x = bytearray(10**8); sum(range(10**6))"
    found = timed(sys.executable, "-c", lines)
    assert found["cpu_s"] > 0
    assert found["peak_mb"] > 95
    with pytest.raises(RuntimeError, match="failed"):
        timed(sys.executable, "-c", "raise SystemExit('no')")


def test_a_stretch_that_is_simulated_repeats_further_on(tmp_path, monkeypatch):
    pytest.importorskip("msprime")
    monkeypatch.setattr("benchmarks.simulated_panel.STRETCH", 40)
    write_repeated(tmp_path / "1", 100, individuals=12, fewest=5)
    panel = open_panel(tmp_path / "1")
    alleles = panel.haplotypes.read(0, 100)
    assert (np.diff(panel.sites.position) > 0).all()
    assert np.array_equal(alleles[:40], alleles[40:80])
    ones = alleles[:, :10].sum(axis=1)
    assert ((ones >= 2) & (ones <= 8)).all()
