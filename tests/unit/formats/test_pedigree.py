"""Pedigrees in the forms that tools write."""

import pytest

from genoloom.errors import InputError
from genoloom.formats.pedigree import read_pedigree

TRIO = [("kid", "dad", "mum"), ("dad", "", ""), ("mum", "", "")]


@pytest.mark.parametrize(
    "text",
    [
        "f kid dad mum 1 -9\nf dad 0 0 1 -9\nf mum 0 0 2 -9\n",  # .fam
        # .psam
        "#FID\tIID\tPAT\tMAT\tSEX\nf\tkid\tdad\tmum\t1\nf\tdad\t0\t0\t1\nf\tmum\t0\t0\t2\n",
        "f kid dad mum 1 -9\nf dad -9 unknown 1 -9\nf mum none NULL 2 -9\n",
        "sample\tmother\tfather\r\nkid\tmum\tdad\r\ndad\tNA\tNA\r\nmum\t.\t.\r\n",
    ],
)
def test_forms(tmp_path, text):
    path = tmp_path / "pedigree"
    path.write_bytes(text.encode())
    assert read_pedigree(path) == TRIO


@pytest.mark.parametrize(
    "text", ["", "a b c\n", "sample sex\nkid male\n", "f kid dad mum\nf dad\n"]
)
def test_what_is_no_pedigree(tmp_path, text):
    path = tmp_path / "pedigree"
    path.write_text(text)
    with pytest.raises(InputError, match=r"pedigree: ") as error:
        read_pedigree(path)
    assert "f kid" not in str(error.value).split("pedigree: ", 1)[1]
