"""The benchmark of rare alleles, on the shipped data: panels of several sizes."""

from helpers import call_benchmark

from genoloom.formats.tables import read_table


def test_larger_panels_impute_better(tmp_path):
    command = ["rare_imputation", "--set", "demo", "--seeds", "1", "--targets", 24]
    command += ["--factors", 1, 4, "--out", tmp_path, "--work", tmp_path]
    done = call_benchmark(*command)
    assert done.returncode == 0, done.stderr
    rows = read_table(tmp_path / "rare_imputation.tsv")
    ratio = {(r["data"], r["factor"], r["bin"]): float(r["ratio"] or "nan") for r in rows}
    assert ratio["real", "1", "all"] == 1
    assert 0.5 < ratio["matched_mosaic", "1", "1-5%"] < ratio["matched_mosaic", "4", "1-5%"]
    assert ratio["matched_mosaic", "4", "20-50%"] > 0.95
    assert ("matched_mosaic", "4", "<1%") in ratio
