"""Genetic maps in the forms that people have."""

import gzip

import numpy as np
import pytest

from genoloom.errors import InputError
from genoloom.formats.maps import interpolate, read_map

SHAPEIT = "pos chr cM\n100 20 0.0\n200 20 1.0\n400 20 2.0\n"
PLINK = "20 . 0.0 100\n20 . 1.0 200\n20 . 2.0 400\n21 . 5.0 10\n"
HAPMAP = "Chromosome\tPosition(bp)\tRate(cM/Mb)\tMap(cM)\nchr20\t100\t1.0\t0.0\nchr20\t200\t2.0\t1.0\nchr20\t400\t0\t2.0\n"


@pytest.mark.parametrize("text", [SHAPEIT, PLINK, HAPMAP])
def test_forms_and_interpolation(tmp_path, text):
    path = tmp_path / "map.gz"
    path.write_bytes(gzip.compress(text.encode()))
    position, cm = read_map(path, "20")
    np.testing.assert_allclose(interpolate(position, cm, np.array([50, 100, 150, 300, 900])), [0, 0, 0.5, 1.5, 2.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a b\n1 2\n", "first line"),
        (SHAPEIT.replace("400", "150"), "falls at position 150"),
        (SHAPEIT + "x 20 1\n", "line 5"),
    ],
)
def test_bad_maps(tmp_path, text, message):
    path = tmp_path / "map.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_map(path, "20")


def test_map_of_another_contig(tmp_path):
    (tmp_path / "map.txt").write_text(SHAPEIT)
    with pytest.raises(InputError, match="has no row of contig 7"):
        read_map(tmp_path / "map.txt", "7")
