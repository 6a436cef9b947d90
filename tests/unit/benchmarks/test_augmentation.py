"""The benchmark of augmentation, on the shipped data: who is taken away and who is added."""

import numpy as np
from helpers import call_benchmark

from benchmarks.runs.augmentation import with_relatives
from genoloom.formats.tables import read_table


def test_rows_for_every_remedy_and_the_generator(tmp_path):
    command = ["augmentation", "--few", 2, "--generators", "independent"]
    done = call_benchmark(*command, "--out", tmp_path, "--work", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["row"]: row for row in read_table(tmp_path / "augmentation.tsv")}
    drawn = [f"independent{of}{who}" for of in ("", ", relatives") for who in ("", ", everybody")]
    assert list(rows) == ["few", "all", "copies", *drawn]
    assert rows["few"]["added"] == "0"
    assert int(rows["all"]["added"]) > 0
    assert rows["copies"]["added"] == rows["independent"]["added"]
    assert all(
        0 <= float(row[c]) <= 1 for row in rows.values() for c in ("recall", "others", "balanced")
    )


def test_more_individuals_cannot_be_kept_than_there_are(tmp_path):
    command = ["augmentation", "--few", 100, "--generators", "independent"]
    done = call_benchmark(*command, "--out", tmp_path, "--work", tmp_path)
    assert done.returncode != 0
    assert "no population has this many" in done.stderr
    assert not (tmp_path / "augmentation.tsv").exists()


def test_relatives_share_alleles_that_third_populations_do_not_have():
    population = np.repeat([0, 1, 2], 4)
    alleles = np.zeros((30, 12), dtype=np.int8)
    alleles[:10, :4] = 1  # of the small population
    alleles[:8, 4] = alleles[:2, 5] = 1  # a relative of another population, and none
    alleles[10:20, 6:10] = alleles[20:] = 1  # of some of two populations, and of everybody
    found = with_relatives(alleles, population, 0)
    assert found.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    two = with_relatives(alleles[:, :8], population[:8], 0)
    assert two.tolist() == population[:8].tolist()
