"""Scoring files of the PGS Catalog and tables of causal sites."""

import gzip

import pytest

from genoloom.errors import InputError
from genoloom.formats.scoring_files import Weight, read_causal_sites, read_scoring_file

HEADER = """###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/#dl_ftp_scoring
#format_version=2.0
##POLYGENIC SCORE (PGS) INFORMATION
#pgs_id=PGS000001
#pgs_name=made_up
#trait_reported=made up
#trait_mapped=made up
#trait_efo=EFO_0000305
#variants_number=3
#weight_type=beta
#genome_build=hg19
#pgp_id=PGP000001
#citation=nobody
"""
HARMONISED = "##HARMONIZATION DETAILS\n#HmPOS_build=GRCh38\n#HmPOS_date=2022-07-29\n"
HARMONISED += '#HmPOS_match_chr={"True": null, "False": null}\n'
HARMONISED += '#HmPOS_match_pos={"True": null, "False": null}\n'
OWN = "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
ROWS = ["rs1\t1\t100\tA\tG\t0.5", "rs2\t20\t200\tT\t\t-0.25", "rs3\t20\t300\tAC\tA\t1e-3"]
HM = ["ENSEMBL\trs1\t1\t1100\t\t\t", "ENSEMBL\trs2\t20\t1200\tC\t\t", "Unknown\t\t\t\t\t\t"]
HM_COLUMNS = "hm_source\thm_rsID\thm_chr\thm_pos\thm_inferOtherAllele\thm_match_chr\thm_match_pos"


def own_file(path, rows=ROWS, header=HEADER, columns=OWN):
    path.write_text(header + columns + "".join(row + "\n" for row in rows))
    return path


def harmonised_file(path):
    with gzip.open(path, "wt") as handle:
        handle.write(HEADER + HARMONISED + OWN.strip("\n") + "\t" + HM_COLUMNS + "\n")
        handle.writelines(f"{row}\t{hm}\n" for row, hm in zip(ROWS, HM, strict=True))
    return path


def test_positions_of_the_authors(tmp_path):
    found = read_scoring_file(own_file(tmp_path / "score.txt"))
    assert found.build == "GRCh37"
    assert found.unplaced == 0
    assert found.rows == [
        Weight("1", 100, "A", "G", 0.5),
        Weight("20", 200, "T", None, -0.25),
        Weight("20", 300, "AC", "A", 0.001),
    ]


def test_harmonised_positions_are_taken(tmp_path):
    found = read_scoring_file(harmonised_file(tmp_path / "score.txt.gz"))
    assert found.build == "GRCh38"
    assert found.unplaced == 1
    assert [(w.contig, w.position, w.other_allele) for w in found.rows] == [
        ("1", 1100, "G"),
        ("20", 1200, "C"),
    ]


def test_as_the_reader_of_the_catalog(tmp_path):
    core = pytest.importorskip("pgscatalog.core")
    path = own_file(tmp_path / "PGS000001.txt")
    theirs = core.ScoringFile(path)
    assert read_scoring_file(path).build == str(theirs.genome_build)
    rows = [
        (v.chr_name, v.chr_position, str(v.effect_allele), float(v.effect_weight))
        for v in theirs.variants
    ]  # fmt: skip
    ours = [(w.contig, w.position, w.effect_allele, w.weight) for w in read_scoring_file(path).rows]
    assert ours == rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"header": "#some=thing\n"}, "is no scoring file of the PGS Catalog"),
        ({"header": HEADER.replace("hg19", "NCBI36")}, "another genome build"),
        ({"columns": OWN.replace("effect_weight", "weight")}, "no column 'effect_weight'"),
        ({"rows": ["rs1\t1\t100\tA\tG"]}, "5 cells"),
        ({"rows": ["rs1\t1\t100\tA\tG\tnan"]}, "'effect_weight' is no finite number"),
        ({"rows": ["rs1\t1\t1e5\tA\tG\t1"]}, "'chr_position' is no whole number"),
        ({"rows": ["rs1\t1\t0100x\tA\tG\t1"]}, "'chr_position' is no whole number"),
        ({"rows": ["rs1\t1\t100\t*01:01\tG\t1"]}, "'effect_allele' is no allele"),
        ({"rows": ["rs1\t\t\tA\tG\t1"]}, "no weight with a position"),
        (
            {"columns": OWN.strip("\n") + "\tis_recessive\n", "rows": [ROWS[0] + "\tTrue"]},
            "not additive (is_recessive)",
        ),
    ],
)
def test_what_is_no_score_is_said(tmp_path, change, said):
    with pytest.raises(InputError) as error:
        read_scoring_file(own_file(tmp_path / "score.txt", **change))
    assert said in str(error.value)


def test_causal_sites(tmp_path):
    table = tmp_path / "causal.tsv"
    table.write_text("contig\tposition\tref\talt\teffect\nchr20\t100\tA\tC\t-2\n")
    assert read_causal_sites(table).rows == [Weight("20", 100, "C", "A", -2.0)]
    table.write_text("contig\tposition\tref\talt\n20\t100\tA\tC\n")
    assert read_causal_sites(table).rows == [Weight("20", 100, "C", "A", None)]
    table.write_text("contig\tposition\tref\n20\t100\tA\n")
    with pytest.raises(InputError, match="has no column 'alt'"):
        read_causal_sites(table)
