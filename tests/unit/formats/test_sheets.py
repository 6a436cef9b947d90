"""Sheets of individuals as they are saved, and what is told of those that are none: never whom they
name.
"""

import pytest

from genoloom.errors import InputError
from genoloom.formats.sheets import match_individuals, read_individuals, read_sheet

SHEET = (
    "# a "
    "comment\n\nindividual\tpopulation\tsex\tfamily\nS1\tGBR\tXY\t0\nS2\tFIN\tfemale\tf1\n\nS3\t"
    "FIN\n"
)
EXPECTED = {
    "S1": ("GBR", "male", "", ""),
    "S2": ("FIN", "female", "f1", ""),
    "S3": ("FIN", "unknown", "", ""),
}


@pytest.mark.parametrize(
    "change",
    [
        str.encode,
        lambda s: s.replace("\n", "\r\n").encode("utf-8-sig"),
        lambda s: s.replace("\n", "\r").encode(),
        lambda s: s.encode("utf-16"),
        lambda s: s.replace("S1\tGBR", '"S1"\t"GBR"').encode(),
        lambda s: s.replace("0\n", "0\t\t\n").encode(),
    ],
)
def test_individuals(tmp_path, change):
    (tmp_path / "p.tsv").write_bytes(change(SHEET))
    assert read_individuals(tmp_path / "p.tsv") == EXPECTED
    assert match_individuals(tmp_path / "p.tsv", "in.vcf", ["S3", "S1", "S2"]).population == [
        "FIN",
        "GBR",
        "FIN",
    ]


def test_sheets_of_others(tmp_path):
    (tmp_path / "p.psam").write_text(
        "#IID\tSEX\tPOP\tSuperPop\nS1\t1\tGBR\tEUR\nS2\tboth\tFIN\tEUR\nS9\t1\n"
    )
    odd = []
    found = read_individuals(tmp_path / "p.psam", {"S1", "S2"}, odd, foreign=True)
    assert found == {"S1": ("GBR", "male", "", "EUR"), "S2": ("FIN", "unknown", "", "EUR")}
    assert odd == [3]


def test_paths_with_odd_characters_come_back(tmp_path):
    (tmp_path / "s.tsv").write_text('panel\tvariants\nx\t"a\tb""c"\n')
    assert read_sheet(tmp_path / "s.tsv") == [(2, {"panel": "x", "variants": 'a\tb"c'})]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("individual\tpopulation\n", "has no rows"),
        ("ALICE_SMITH\tGBR\nS2\tFIN\n", "has no column 'individual' among the 2 of its header"),
        (
            "F0 ALICE_SMITH 0 0 1 -9\nF1 S2 0 0 2 -9\n",
            "has no column 'individual' among the 1 of its header",
        ),
        (
            "F0\tALICE_SMITH\t0\t0\t1\t-9\nF1\tS2\t0\t0\t2\t-9\n",
            "line 1: columns 3 and 4 have the same name",
        ),
        ("individual\tpopulation\nALICE_SMITH\n", "line 2: individual or population is empty"),
        ("individual\tpopulation\nALICE_SMITH\tGBR\tx\n", "line 2: 3 cells"),
        (
            "individual\tpopulation\nALICE_SMITH\tA\nx\tA\nALICE_SMITH\tA\n",
            "line 4: names the individual of another line again .line 2",
        ),
        ("individual\tpopulation\tsex\nx\tA\tALICE_SMITH\n", "line 2: the sex is not understood"),
        (
            "individual\tpopulation\tsuperpopulation\nx\tALICE_SMITH\tA\ny\tALICE_SMITH\tB\n",
            "line 3: the population is of another superpopulation than on line 2",
        ),
    ],
)
def test_what_is_no_sheet(tmp_path, text, found):
    (tmp_path / "p.tsv").write_text(text)
    with pytest.raises(InputError, match=found) as error:
        read_individuals(tmp_path / "p.tsv")
    assert "ALICE" not in error.value.found + error.value.expected
    assert "SMITH" not in error.value.remedy


def test_individuals_and_samples_must_agree(tmp_path):
    (tmp_path / "p.tsv").write_text(SHEET)
    with pytest.raises(
        InputError, match=r"samples of in\.vcf are missing, the first is its sample 2"
    ):
        match_individuals(tmp_path / "p.tsv", "in.vcf", ["S1", "ALICE_SMITH"])
    with pytest.raises(
        InputError, match=r"are not in in\.vcf, the first is the sheet's individual 3"
    ):
        match_individuals(tmp_path / "p.tsv", "in.vcf", ["S1", "S2"])
