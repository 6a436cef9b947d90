"""The page of the fault table is the one that the tables of benchmarks/results give."""

import importlib


def test_the_page_is_that_of_the_tables(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    bench = importlib.import_module("fault_table")
    page = (repository / "docs" / "fault_table.md").read_text(encoding="utf-8")
    assert page == bench.as_page()
    assert {path.stem for path in bench.TABLES.glob("fault_table.*.tsv")} == {
        f"fault_table.{name}" for name in bench.RUNS
    }
