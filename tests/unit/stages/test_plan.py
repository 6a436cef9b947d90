"""`genoloom plan` as its users call it."""

import json

import pytest
from helpers import call_genoloom, write_vcf

from genoloom.errors import InputError
from genoloom.formats.leak_ledger import add_to_ledger, read_ledger
from genoloom.formats.privacy_budget import spend
from genoloom.privacy.accounting import epsilon_of
from genoloom.privacy.leak_budget import unavoidable
from genoloom.privacy.leak_plan import Group, Question, expected_sites, remedies
from genoloom.stages.plan import plan, plan_by_numbers, plan_study

DEMO = "eur300.chr20_1-2Mb.vcf.gz"


def test_the_demo_cohort_is_too_small(demo_dir, tmp_path):
    found = plan(
        files=[demo_dir / DEMO], samples=[demo_dir / "samples.tsv"], holdout=0.5,
        question=Question(), ledger=None, out=tmp_path / "plan.json",
    )  # fmt: skip
    whole = found.groups[0]
    assert whole.individuals == 150
    assert {group.name for group in found.groups[1:]} == {"FIN", "GBR", "IBS"}
    [m, _] = whole.effective_sites
    assert 150 < m < 250
    assert found.lower_bound[0] == pytest.approx(unavoidable(m, 150, 2504, 150).auc)
    assert "No release that is faithful" in found.verdict
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["verdict"] == found.verdict
    text = found.text()
    for part in ("training individuals", "epsilon at most", "lower bound", "FIN"):
        assert part in text


def test_remedies_hold():
    whole, question = Group("all", 150, 5000, (165.0, 165.0)), Question()
    found = remedies(whole, [(2, 165.0), (10, 80.0), (25, 20.0)], question)
    n = found["training_individuals"]
    assert (
        unavoidable(165, n, synthetic=n).auc <= 0.6 < unavoidable(165, n - 1, synthetic=n - 1).auc
    )
    k = found["synthetic_individuals"]
    assert unavoidable(165, 150, 2504, k).auc <= 0.6 < unavoidable(165, 150, 2504, k + 1).auc
    assert found["min_mac"] == 25
    assert found["epsilon"] == pytest.approx(1.38, abs=0.01)


def test_numbers_alone_give_a_range():
    assert expected_sites(1000, None) == (1000, 1000)
    assert expected_sites(1000, 1.0) == (60, 750)
    assert expected_sites(100, 1.0) == (60, 100)
    found = plan_by_numbers(
        individuals=100_000, sites=40_000, megabases=10, question=Question(), ledger=None, out=None
    )
    assert "can pass" in found.verdict


def test_earlier_releases_count(tmp_path):
    ledger = tmp_path / "ledger.json"
    asked = {
        "individuals": 20_000,
        "sites": 1000,
        "megabases": None,
        "question": Question(),
        "out": None,
    }
    first = plan_by_numbers(**asked, ledger=ledger)
    assert "can pass" in first.verdict
    add_to_ledger(ledger, "a", 0.4)
    add_to_ledger(ledger, "a", 0.4)
    assert read_ledger(ledger) == {"a": 0.4}
    second = plan_by_numbers(**asked, ledger=ledger)
    assert "No release" in second.verdict
    assert "Earlier releases alone" in second.text()


def test_what_was_measured_counts(tmp_path):
    budget = tmp_path / "b.json"
    spend(budget, "0" * 64, lambda others: 0.5)
    said = f"{epsilon_of(0.5, 1e-5):.3g} of it is spent"
    asked = {"individuals": 200, "sites": 400, "megabases": None, "question": Question()}
    for given, told in ((None, "for good\n"), (budget, said)):
        found = plan_by_numbers(**asked, ledger=None, out=None, budget=given)
        assert told in found.text()
    assert found.record()["modes"]["recommended"] == "statistics"
    done = call_genoloom("plan", "--individuals", "200", "--sites", "400", "--budget", str(budget))
    assert said in done.stdout
    assert "Recommended: statistics" in done.stdout


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "releases": {}}',
        '{"version": 1, "releases": {"a": {"separation": -1}}}',
    ],
)
def test_a_damaged_ledger_is_an_error(tmp_path, content):
    path = tmp_path / "ledger.json"
    path.write_text(content)
    with pytest.raises(InputError, match="no ledger"):
        read_ledger(path)


def test_a_study_uses_its_own_options(repository):
    [found] = plan_study(directory=repository, panel=None).values()
    assert found.question.max_auc == 0.6
    with pytest.raises(InputError, match="no panel"):
        plan_study(directory=repository, panel="another")


def test_a_region_of_the_sheet_is_what_is_planned(tmp_path, demo_dir):
    sheet = "panel\tcontig\tvariants\tsamples\tregion\n"
    for name, region in (("whole", ""), ("part", "1,000,000-1,200,000")):
        sheet += f"{name}\t20\t{demo_dir / DEMO}\t{demo_dir / 'samples.tsv'}\t{region}\n"
    (tmp_path / "config").mkdir()
    (tmp_path / "config/panels.tsv").write_text(sheet)
    (tmp_path / "config/config.yaml").write_text("panels: config/panels.tsv\n")
    found = plan_study(directory=tmp_path, panel=None)
    assert 2 < found["whole"].groups[0].sites / found["part"].groups[0].sites < 10


def test_a_study_says_how_many_jobs_its_contigs_become(tmp_path, demo_dir):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/panels.tsv").write_text(
        f"panel\tcontig\tvariants\tregion\n"
        f"whole\t20\t{demo_dir / DEMO}\t\npart\t20\t{demo_dir / DEMO}\t1000000-1010000\n"
    )
    settings = tmp_path / "config/config.yaml"
    settings.write_text("{panels: config/panels.tsv, scale: {window: 1000}, cohort: {size: 4000}}")
    found = plan_study(directory=tmp_path, panel=None)
    [row] = found["whole"].record()["jobs"]
    assert row["training"] == round(row["sites"] / 1000) > 1
    assert row["generate"] == round(row["sites"] * 4000 / 1e6) > row["training"]
    assert row["consensus"] == 1
    assert row["validation"] == round(row["sites"] / 2048) > 1
    text = found["whole"].text()
    assert f"{row['training']:>12}{row['generate']:>12}{1:>12}{row['validation']:>12}" in text
    assert "Jobs of" not in found["part"].text()
    settings.write_text("panels: config/panels.tsv\n")
    [row] = plan_study(directory=tmp_path, panel="whole")["whole"].jobs
    assert (row["training"], row["generate"], row["consensus"]) == (1, 1, 1)


def test_init_and_doctor_say_what_a_release_can_be(tmp_path, demo_dir):
    files = ["--variants", demo_dir / DEMO, "--samples", demo_dir / "samples.tsv"]
    for words in (["init", tmp_path, *files, "--name", "c"], ["doctor", "-C", tmp_path]):
        done = call_genoloom(*words)
        assert done.returncode == 0, done.stderr
        assert "c: No release that is faithful to these individuals can pass" in done.stderr


def test_two_individuals_are_too_few_to_plan(tmp_path):
    path = write_vcf(tmp_path / "two.vcf.gz", ["100 A C 0|1 0|0", "200 A C 0|1 1|1"], ["a", "b"])
    with pytest.raises(InputError, match="too few individuals"):
        plan(files=[path], samples=[], holdout=0.5, question=Question(), ledger=None, out=None)


def test_command_line(tmp_path):
    done = call_genoloom(
        "plan", "--individuals", 5000, "--sites", 300, "--out", tmp_path / "p.json"
    )
    assert done.returncode == 0, done.stderr
    assert "A faithful release can pass" in done.stdout
    assert json.loads((tmp_path / "p.json").read_text())["groups"][0]["individuals"] == 5000
    assert call_genoloom("plan").returncode == 2
