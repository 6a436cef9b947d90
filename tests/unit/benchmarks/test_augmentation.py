"""The benchmark of augmentation, on the shipped data: who is taken away and who is added."""

from helpers import call_benchmark

from genoloom.formats.tables import read_table


def test_rows_for_every_remedy_and_the_generator(tmp_path):
    command = ["augmentation", "--few", 2, "--generators", "independent"]
    done = call_benchmark(*command, "--out", tmp_path, "--work", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["row"]: row for row in read_table(tmp_path / "augmentation.tsv")}
    assert list(rows) == ["few", "all", "weighted", "copies", "independent"]
    assert rows["few"]["added"] == rows["weighted"]["added"] == "0"
    assert int(rows["all"]["added"]) > 0
    assert rows["copies"]["added"] == rows["independent"]["added"]
    assert all(
        0 <= float(row[c]) <= 1 for row in rows.values() for c in ("recall", "others", "balanced")
    )


def test_more_individuals_cannot_be_kept_than_there_are(tmp_path):
    command = ["augmentation", "--few", 100, "--generators", "independent"]
    done = call_benchmark(*command, "--out", tmp_path, "--work", tmp_path)
    assert done.returncode != 0
    assert "no population has this many" in done.stderr
    assert not (tmp_path / "augmentation.tsv").exists()
