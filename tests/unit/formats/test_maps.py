"""Genetic maps in the forms that individuals have, and what is none."""

import gzip

import numpy as np
import pytest

from genoloom.errors import InputError
from genoloom.formats.maps import read_map

POSITION = 1_000_000 + 10_000 * np.arange(40)
RATE = np.append(np.tile([0.5, 3, 1], 13), 0)  # cM per megabase from each position to the next
CM = np.append(0, np.cumsum(RATE[:-1] * np.diff(POSITION) / 1e6)).round(9)
ROWS = list(zip(POSITION.tolist(), RATE.tolist(), CM.tolist(), strict=True))


def lines(form: str, header: str = "", other: str = "") -> str:
    """A map: `form` has {p}, {r}, {c}, {b} for position, rate, cM and the position before."""
    before = [0, *POSITION[:-1].tolist()]
    rows = [form.format(p=p, r=r, c=c, b=b) for (p, r, c), b in zip(ROWS, before, strict=True)]
    return "\n".join([*([header] if header else []), *rows, *([other] if other else []), ""])


FORMS = {
    "shapeit": lines("{p} 20 {c}", "pos chr cM"),
    "glimpse": lines("{p}\tchr20\t{c}", "pos\tchr\tcM"),
    "shapeit, no header": lines("{p} 20 {c}"),
    "trailing comment": lines("{p} 20 {c}", "pos chr cM # of gene", "# the end"),
    "rfmix": lines("20\t{p}\t{c}", "#chm\tpos\tcM"),
    "contig first": lines("20 {p} {c}"),
    "hapmap": lines(
        "chr20\t{p}\t{r}\t{c}", "Chromosome\tPosition(bp)\tRate(cM/Mb)\tMap(cM)", "chr21\t5\t1\t0"
    ),
    "hapmap, no header": lines("20 {p} {r} {c}"),
    "hapmap 3 columns": lines("{p} {r} {c}", "position COMBINED_rate(cM/Mb) Genetic_Map(cM)"),
    "hapmap 3 columns, no header": lines("{p} {r} {c}"),
    "hapmap, level rate": lines("{p} 1.0 {c}"),
    "eagle": lines("20 {p} {r} {c}", "chr position COMBINED_rate(cM/Mb) Genetic_Map(cM)"),
    "decode": "# a comment, cM at the end\n#\n"
    + lines("chr20\t{b}\t{p}\t{r}\t{c}", "Chr\tBegin\tEnd\tcMperMb\tcM"),
    "decode, no header": lines("chr20\t{b}\t{p}\t{r}\t{c}"),
    "plink": lines("20 . {c} {p}", "", "21 . 5.0 10"),
    "plink, ids that are numbers": lines("20 {p} {c} {p}"),
    "plink, ids that are other numbers": lines("chr20\t17\t{c}\t{p}"),
    "bim": lines("20 rs1 {c} {p} A C"),
    "commas": lines("20,{p},{c}", "chr,pos,cM"),
    "quoted": lines('"20"\t{p}\t{c}', '"chr"\t"pos"\t"cM"'),
    "numbers of R": lines("{p:.5e} 20 {c}", "pos chr cM"),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path, name):
    (tmp_path / "map.txt").write_bytes(FORMS[name].encode())
    found = read_map(tmp_path / "map.txt", "20")
    np.testing.assert_array_equal(found.position, POSITION)
    np.testing.assert_allclose(found.cm, CM)


@pytest.mark.parametrize(
    "change", [gzip.compress, lambda b: b"\xef\xbb\xbf" + b.replace(b"\n", b"\r\n")]
)
def test_any_text(tmp_path, change):
    (tmp_path / "map.gz").write_bytes(change(FORMS["shapeit"].encode()))
    np.testing.assert_allclose(read_map(tmp_path / "map.gz", "chr20").cm, CM)


def test_places_and_account(tmp_path):
    (tmp_path / "map.txt").write_text(FORMS["shapeit"])
    found = read_map(tmp_path / "map.txt", "20")
    sites = np.array([5, 1_005_000, 1_010_000, 9_000_000])
    np.testing.assert_allclose(found.place(sites), [0, 0.0025, 0.005, CM[-1]])
    assert found.account() == {
        "form": "with a header (pos, chr, cM)", "points": 40, "first_position": 1_000_000,
        "last_position": 1_390_000,
        "centimorgans": round(CM[-1], 6), "sites_inside": 0.5,
    }  # fmt: skip
    elsewhere = read_map(tmp_path / "map.txt", "20")
    elsewhere.place(sites[[0, 3]])
    with pytest.raises(InputError, match="covers none of the sites"):
        elsewhere.account()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only\n", "is empty"),
        ("a b\n1 2\n", "line 1: 2 columns"),
        (
            lines("{p} 20 {c}", "pos chr cM", "1010000 20 3"),
            "line 42: position or centimorgans fall",
        ),
        (lines("{p} 20 {r}", "pos chr cM"), "line 4: position or centimorgans fall"),
        (lines("20 . {r} {p}"), "line 3: position or centimorgans fall"),
        (lines("{p} 20 {c}", "pos chr cM", "1500000 20"), "line 42: 2 columns"),
        (
            lines("{p} 20 {c}", "pos chr cM", "1500000 20 nan"),
            "line 42: column 3, the centimorgans, is no finite number",
        ),
        (
            lines("{p} 20 {c}", "pos chr cM", "1500000 20 NA"),
            "line 42: column 3, the centimorgans, is no number",
        ),
        (
            lines("{p} 20 {c}", "pos chr cM", "1e400 20 9"),
            "line 42: column 1, the position, is no finite number",
        ),
        (lines("{p} 20 {c}", "pos chr cM", "-5 20 9"), "line 42: column 1 is no position"),
        (lines("{p} 20 {c}", "pos chr cM", "1500000.5 20 9"), "line 42: column 1 is no position"),
        (lines("20 {p} {r}", "chr pos rate(cM/Mb)"), "line 1: the header has a column of a rate"),
        (lines("20 {p} {c}", "chr pos Morgans"), "line 1: the header has a column of Morgans"),
        (lines("20 {p} {c} {c}", "chr pos cM_female cM_male"), "line 1: 2 columns may hold the cm"),
        (lines("20 . 0 {p}"), "lines 1 to 40: contig 20: the centimorgans are all 0"),
        (lines("{p} 20 7", "pos chr cM"), "lines 2 to 41: contig 20: the centimorgans are all 7"),
        ("pos chr cM\n1000 20 0.1\n", "lines 2 to 2: contig 20: a single position"),
        (lines("{p} 20 {p}", "pos chr cM"), "lines 2 to 41: contig 20: 1e.06 cM per megabase"),
        (lines("20 {p} 1.5 0"), "all 0"),
        ("ALICE_SMITH x y z\n", "line 1: column 2"),
    ],
)
def test_what_is_no_map(tmp_path, text, message):
    (tmp_path / "map.txt").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_map(tmp_path / "map.txt", "20")
    assert "ALICE" not in error.value.found + error.value.expected


def test_units(tmp_path):
    for factor in (0.01, 10):
        rows = [f"{p} 20 {factor * c:.12f}" for p, _, c in ROWS]
        (tmp_path / "map.txt").write_text("pos chr cM\n" + "\n".join(rows))
        with pytest.raises(
            InputError, match=r"lines 2 to 41: contig 20: [0-9.]+ cM per megabase in all"
        ):
            read_map(tmp_path / "map.txt", "20")
        assert len(read_map(tmp_path / "map.txt", "20", (0.001, 100)).cm) == 40


def test_map_of_another_contig(tmp_path):
    for name in ("shapeit", "hapmap, no header", "plink"):
        (tmp_path / "map.txt").write_text(FORMS[name])
        with pytest.raises(InputError, match="has no row of contig 7"):
            read_map(tmp_path / "map.txt", "7")


def test_maps_of_hapmap(shared_data):
    for contig, name in (("20", "chr20"), ("X", "chrX_par1")):
        path = shared_data / f"maps/b37/{name}.b37.gmap.gz"
        expected = np.loadtxt(path, skiprows=1, usecols=(0, 2))
        found = read_map(path, contig)
        np.testing.assert_array_equal(np.column_stack([found.position, found.cm]), expected)
