import pytest

from genoloom.disclosure import individuals_count


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "no individuals"),
        (1, "1 to 20 individuals"),
        (20, "1 to 20 individuals"),
        (21, "21 individuals"),
    ],
)
def test_small_counts_are_not_told(n, text):
    assert individuals_count(n) == text
