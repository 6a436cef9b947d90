"""`genoloom trial-table`: a synthetic cohort table from one that a user brings."""

import click.testing
import numpy as np
import pytest

from genoloom.cli import genoloom
from genoloom.errors import InputError
from genoloom.formats.tables import read_table, write_table

N = 900
NAMES = ["individual", "score", "age", "alleles", "site", "drug", "response"]


def cohort(folder, event=False, **changed):
    """A third is held out, with outcomes that would be seen in what was learnt."""
    rng = np.random.default_rng(3)
    held = np.arange(N) % 3 == 0
    score, alleles = rng.standard_normal(N), rng.binomial(2, 0.3, N)
    age = np.rint(50 + 10 * rng.standard_normal(N) + 5 * score).astype(int)
    drug = rng.random(N) < 1 / (1 + np.exp(-score))
    response = 10 + 2 * score + drug * 6 * (alleles > 0) + rng.standard_normal(N)
    response[held] += 1000
    if event:
        response = (response > 12).astype(int)
    site = np.where(score > 0, "north", "south")
    columns = [[f"id{i}" for i in range(N)], score, age, alleles, site, drug.astype(int), response]
    rows = [dict(zip(NAMES, own, strict=True)) for own in zip(*columns, strict=True)]
    for name, cells in changed.items():
        for i, cell in cells.items():
            rows[i][name] = cell
    write_table(folder / "cohort.tsv", NAMES, rows)
    roles = [
        {"individual": f"id{i}", "population": "P", "role": "holdout" if h else "train"}
        for i, h in enumerate(held)
    ]
    write_table(folder / "split.tsv", list(roles[0]), roles)


def run(folder, *more):
    words = ["trial-table", "--table", "cohort.tsv", "--split", "split.tsv", "--treatment", "drug"]
    words = [str(folder / w) if w.endswith(".tsv") else w for w in words]
    words += ["--outcome", "response", "--out", str(folder / "out.tsv"), *more]
    done = click.testing.CliRunner().invoke(genoloom, words)
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return read_table(folder / "out.tsv")


def test_what_the_trial_says_is_kept(tmp_path):
    cohort(tmp_path)
    rows = run(tmp_path, "--individuals", "3000")
    assert list(rows[0]) == NAMES
    number = {
        n: np.array([float(r[n]) for r in rows]) for n in NAMES if n not in ("individual", "site")
    }
    score, drug, alleles = number["score"], number["drug"], number["alleles"]
    assert set(alleles) == {0, 1, 2}
    assert number["age"].mean() == pytest.approx(50, abs=1.5)
    assert np.corrcoef(score, number["age"])[0, 1] == pytest.approx(5 / np.sqrt(125), abs=0.08)
    north = np.array([r["site"] == "north" for r in rows])
    assert score[north].mean() > 0.3 > -0.3 > score[~north].mean()  # ties weaken it
    assert number["response"].max() < 100  # nobody held out was seen
    assert drug[score > 1].mean() > drug[score < -1].mean() + 0.3

    def effect(rows):
        return (
            number["response"][rows & (drug == 1)].mean()
            - number["response"][rows & (drug == 0)].mean()
        )

    near = np.abs(score) < 0.5
    assert effect(near & (alleles > 0)) == pytest.approx(6, abs=1)
    assert effect(near & (alleles == 0)) == pytest.approx(0, abs=1)


def test_events_and_one_seed(tmp_path):
    cohort(tmp_path, event=True)
    rows = run(tmp_path)
    assert len(rows) == 600
    assert {r["response"] for r in rows} == {"0", "1"}
    assert run(tmp_path) == rows
    assert run(tmp_path, "--seed", "7") != rows


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"drug": {4: 2}}, "does not have more than 20 training individuals with each of 0 and 1"),
        ({"site": {4: "west"}}, "category of up to 20 training individuals"),
        ({"age": {4: ""}}, "line 6: column 'age' is empty"),
        ({"age": {4: "inf"}}, "not finite"),
        ({"individual": {4: "id5"}}, "line 7: the individual is named twice"),
        ({"individual": {4: "stranger"}}, "line 6: the individual is not in split.tsv"),
        ({"response": {4: "good"}}, "line 6"),
    ],
)
def test_what_cannot_be_learnt(tmp_path, changed, found):
    cohort(tmp_path, **changed)
    with pytest.raises(InputError, match=found) as error:
        run(tmp_path)
    assert "id5" not in str(error.value)
    assert not (tmp_path / "out.tsv").exists()
