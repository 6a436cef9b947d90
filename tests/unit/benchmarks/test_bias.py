"""Which diplotypes have a small bias, in the tables of treatment effects."""

from benchmarks.views import biases


def test_a_bias_is_small_or_in_the_range_of_real_data():
    rows = [("truth", "", name, 20.0) for name in ("*1/*1", "*1/*2", "*2/*2")]
    # a tenth of the effect; in the range of real data; neither
    for name, real, own in (("*1/*1", 0.5, 1.9), ("*1/*2", 4.0, 3.0), ("*2/*2", 1.0, -4.0)):
        rows += [("real", "S", name, value) for value in (-real, real)]
        rows += [("generator", "S", name, value) for value in (own - 5, own, own + 1)]
    *_, line = biases(rows)
    assert line == "| generator | S | 3 | 1 | 2 | *2/*2: -4.0 of 20.0 |"
