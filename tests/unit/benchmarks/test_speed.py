"""Runs that measure time: what is made from the seconds."""

import sys

import pytest

from benchmarks.programs import timed
from benchmarks.runs import peers_speed, scale


def test_columns_are_those_that_are_measured():
    assert {"cpu_s", "peak_mb", "ratio"} < set(scale.COLUMNS.split())
    assert {"cpu_s", "turn", "program"} < set(peers_speed.COLUMNS.split())


def test_a_straight_line_is_found_again():
    rows = [
        {
            "stage": "generate", "program": "p", "sites": sites, "individuals": individuals,
            "cpu_s": 3 + 2e-6 * sites * individuals, "peak_mb": 100 + sites / 1000,
        }
        for sites, individuals in [(1000, 10), (2000, 10), (4000, 10), (1000, 20), (1000, 40)]
    ]  # fmt: skip
    _, by_sites, by_individuals = scale.summary(rows).splitlines()
    assert by_sites.split("\t") == ["generate", "p", "sites", "2", "3.00", "0.000", "101-104"]
    assert by_individuals.split("\t")[2:5] == ["individuals", "2", "3.00"]


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
