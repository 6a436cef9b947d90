"""The pages are those that the tables of benchmarks/results give."""

from benchmarks.pages import FAULT_RUNS, RESULTS, stale_pages


def test_no_page_is_stale():
    assert list(stale_pages()) == []  # else: python -m benchmarks tables --write


def test_every_fault_table_is_on_the_page():
    tables = {path.stem for path in RESULTS.glob("fault_table.*.tsv")}
    assert tables == {f"fault_table.{name}" for name in FAULT_RUNS}
