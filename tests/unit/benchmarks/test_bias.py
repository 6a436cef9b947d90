"""Biases and distances of diplotypes, in the tables of the documentation."""

from benchmarks.views import biases, farthest


def test_a_bias_is_small_or_in_the_range_of_real_data():
    rows = [("truth", "", name, 20.0) for name in ("*1/*1", "*1/*2", "*2/*2")]
    # a tenth of the effect; in the range of real data; neither
    for name, real, own in (("*1/*1", 0.5, 1.9), ("*1/*2", 4.0, 3.0), ("*2/*2", 1.0, -4.0)):
        rows += [("real", "S", name, value) for value in (-real, real)]
        rows += [("generator", "S", name, value) for value in (own - 5, own, own + 1)]
    *_, line = biases(rows)
    assert line == r"| generator | S | 3 | 1 | 2 | \*2/\*2: -4.0 of 20.0 |"


def test_the_population_that_is_farthest_from_real():
    distances = {
        ("real", "A"): [1, 2, 9],
        ("real", "B"): [4, 1],  # of two splits, `made` of the first
        ("made", "A"): [3, 3, 3],
        ("made", "B"): [5],
    }
    rows = [
        {"data": data, "population": name, "seed": str(seed), "tv": str(value)}
        for (data, name), values in distances.items() for seed, value in enumerate(values)
    ]  # fmt: skip
    assert farthest(rows, "made", "population", "tv") == 1.5  # of A, over the median 2
