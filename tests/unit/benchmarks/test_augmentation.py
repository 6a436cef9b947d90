"""The benchmark of augmentation, on the shipped data: who is taken away and who is added."""

from helpers import call_script

from genoloom.formats.tables import read_table


def test_rows_for_every_remedy_and_the_generator(repository, tmp_path):
    command = [
        repository / "benchmarks" / "augmentation.py",
        "--few",
        "2",
        "--generators",
        "independent",
    ]
    done = call_script(*command, "--out", tmp_path / "t.tsv")
    assert done.returncode == 0, done.stderr
    rows = {row["row"]: row for row in read_table(tmp_path / "t.tsv")}
    assert list(rows) == ["few", "all", "weighted", "copies", "independent"]
    assert rows["few"]["added"] == rows["weighted"]["added"] == "0"
    assert int(rows["all"]["added"]) > 0
    assert rows["copies"]["added"] == rows["independent"]["added"]
    assert all(
        0 <= float(row[c]) <= 1 for row in rows.values() for c in ("recall", "others", "balanced")
    )


def test_more_individuals_cannot_be_kept_than_there_are(repository, tmp_path):
    command = [
        repository / "benchmarks" / "augmentation.py",
        "--few",
        "100",
        "--generators",
        "independent",
    ]
    done = call_script(*command, "--out", tmp_path / "t.tsv")
    assert done.returncode != 0
    assert "no population has so many" in done.stderr
    assert not (tmp_path / "t.tsv").exists()
