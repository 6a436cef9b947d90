import pytest

from genoloom.disclosure import people_count


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "no people"), (1, "1 to 20 people"), (20, "1 to 20 people"), (21, "21 people")],
)
def test_small_counts_are_not_told(n, text):
    assert people_count(n) == text
