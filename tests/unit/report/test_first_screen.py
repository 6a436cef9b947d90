"""What the report says first: what may leave, what it is fit for, how large a cohort must be."""

import html
import json
import re

import pytest
from report_tables import (
    FIDELITY,
    GENERATORS,
    LARGE_ENOUGH,
    PRIVACY,
    TOO_SMALL,
    attack_row,
    fidelity_row,
    leak_facts,
    typed,
    write_results,
)

from genoloom.formats.tables import write_table
from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.leak_budget import individuals_needed, unavoidable
from genoloom.report.bars import bar, scale_end, ticks
from genoloom.report.data import CohortLeak, DataSet, Judgement, UseGrade, as_metric
from genoloom.report.first_screen import (
    SHORT_USES,
    cohort_leak,
    headline,
    joined,
    may_leave,
    sequence_headline,
)
from genoloom.stages.report import report
from genoloom.validation.metric_ids import Better, MetricId
from genoloom.validation.uses import Fitness, Use
from genoloom.validation.verdicts import Verdict

TOO_SMALL_WORDS = "too small for any faithful release"


def write(results):
    out = results / "report" / "index.html"
    report(
        results=results, panels=["demo"], generators=list(GENERATORS), sequence_sets=["slice"],
        sequence_generators=["markov", "transformer"], out=out,
    )  # fmt: skip
    return out.read_text(), json.loads(out.with_name("report.json").read_text())["data"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The page, the numbers and the printed summary of a cohort that is too small."""
    results = write_results(tmp_path_factory.mktemp("small") / "results", TOO_SMALL)
    return *write(results), (results / "report" / "summary.txt").read_text()


def test_a_small_cohort_is_told_that_no_faithful_release_can_pass_and_what_would(small):
    page, [data, _], text = small
    leak = data["leak"]
    assert leak["too_small"] is True
    assert leak["unavoidable"] == pytest.approx(unavoidable(TOO_SMALL, 150, 150, 150).auc, abs=1e-5)
    needed = leak["what_would_pass"]["training_individuals_any_release"]
    assert needed == pytest.approx(individuals_needed(TOO_SMALL, 0.6), abs=1)
    most = leak["what_would_pass"]["synthetic_individuals"]
    assert most < 150
    few = "150 training individuals are too few for any faithful release"
    assert data["headline"].startswith(f"Nothing may leave: {few};")
    for shown in (page, text):
        assert TOO_SMALL_WORDS in shown
        assert f"{needed:,} for one of any size" in shown
        assert f"At most {most} synthetic individuals" in shown
        assert "A generator trained on a public panel" in shown


def test_a_cohort_that_is_large_enough_is_not_called_too_small(tmp_path):
    page, [data, _] = write(write_results(tmp_path / "results", LARGE_ENOUGH))
    assert data["leak"]["too_small"] is False
    assert data["leak"]["what_would_pass"] is None
    everything = page + json.dumps(data) + (tmp_path / "results/report/summary.txt").read_text()
    assert TOO_SMALL_WORDS not in everything
    assert "too few for" not in everything


def test_parts_and_limits_are_in_the_numbers_the_page_and_the_summary(small):
    page, [data, sequences], text = small
    assert sequences["leak"] is None
    assert (data["leak"]["max_auc"], data["leak"]["max_excess"]) == (0.6, 0.03)
    found = {j["generator"]: j for j in data["judgements"]}
    gan = found["gan"]
    assert gan["worst_attack"] == pytest.approx(gan["unavoidable"] + gan["excess"], abs=1e-4)
    assert gan["excess_low"] < gan["excess"] < gan["excess_high"]
    assert found["real"]["unavoidable"] is None
    assert gan["may_leave"] is False
    first = page[page.index('id="first-panel-demo"') : page.index("<h3>Reasons")]
    for shown in (
        data["headline"],
        "0.740 (0.680 to 0.790)",
        "limit 0.6",
        "limit of the excess 0.03",
    ):
        assert shown in first
    lines = text.splitlines()
    assert lines[1] == data["headline"]
    assert "Leak (AUC; lower is better, 0.5 learns nothing; limit 0.6, of the excess 0.03)" in lines
    assert "0.740 (0.680 to 0.790)  0.681        0.059 (-0.001 to 0.109)" in text
    badges = re.findall(r'<li title="([^"]*)"><a href="#uses-demo">([^<]*)</a>', first)
    asked = [u for u in gan["uses"] if u["population"] == "all"]
    assert [name for _, name in badges] == 2 * [SHORT_USES[Use(u["use"])] for u in asked]
    assert "allele-frequency resources, AAA: fit" in badges[1][0]


def test_limits_that_nothing_exceeds_and_cohorts_that_are_not_known():
    synthetic = [judgement("a", unavoidable=0.9)]
    for more in ({"max_auc": 0.5}, {"training_individuals": None}, {"effective_sites": None}):
        leak = cohort_leak({"a": leak_facts() | more}, synthetic)
        assert leak.too_small
        assert leak.what_would_pass is None
    unnamed = leak_facts() | {"training_individuals": None}
    assert "at this size" in cohort_leak({"a": unnamed}, synthetic).sentence
    assert not cohort_leak({"a": leak_facts() | {"max_auc": 1.0}}, synthetic).too_small
    unknown = cohort_leak({"a": leak_facts()}, [judgement("a")])
    assert (unknown.too_small, unknown.sentence) == (None, None)
    assert cohort_leak({}, synthetic) is None


def judgement(name, fidelity="weak", privacy="fail", *, role="generator", uses=(), **more):
    return Judgement(
        generator=name,
        role=role,
        fidelity=fidelity,
        privacy=privacy,
        may_leave=may_leave(fidelity, privacy),
        fidelity_reasons=[],
        uses=list(uses),
        **more,
    )


def uses(*fitness: Fitness) -> list[UseGrade]:
    """Grades of the first uses; all others are not fit."""
    grades = [*fitness, *[Fitness.NOT_FIT] * len(Use)]
    return [grade(use, fitness) for use, fitness in zip(Use, grades, strict=False)]


def grade(use: Use, fitness: Fitness, population: str = "all") -> UseGrade:
    return UseGrade(use=use, title=use.title, population=population, fitness=fitness, limits=[])


def test_the_headline_answers_what_may_leave_and_what_it_is_fit_for():
    large = CohortLeak(**leak_facts(), unavoidable=0.55, too_small=False)
    fit, limits = uses(Fitness.FIT, Fitness.FIT), uses(Fitness.LIMITS)
    good = judgement("a", privacy="pass", uses=fit)
    text = headline([good, judgement("b")], large)
    assert text == "a may leave; it is fit for software testing and allele frequencies."
    both = [good, judgement("b", privacy="pass", uses=limits)]
    text = headline(both, large)
    assert text.startswith(
        "a and b may leave; a is fit for software testing and allele frequencies"
    )
    assert text.endswith("and b is fit for software testing, with limits.")
    assert headline([judgement("a", uses=uses(*[Fitness.FIT] * len(Use)))], large) == (
        "Nothing may leave: no generator passes the audit; for work inside, a is fit for every use."
    )
    leaks = judgement("a", uses=uses(), unavoidable=0.55, excess_low=0.04)
    text = headline([leaks], large)
    assert text.startswith("Nothing may leave: every generator leaks more than is unavoidable;")
    assert text.endswith("; for work inside, a is fit for no use.")
    unfaithful = judgement("a", fidelity="fail", privacy="pass")
    text = headline([unfaithful], large)
    assert text == "Nothing may leave: a keeps within the limits of the leak, but fails fidelity."
    text = headline([judgement("a", privacy="not run")], large)
    assert text == "Nothing may leave: no audit says what the data reveal."
    assert headline([judgement("mosaic", role="baseline")], large) == "Only baselines were judged."
    # what passes although the cohort is small is not faithful to the sample, or of public templates
    few = CohortLeak(**leak_facts(), unavoidable=0.7, too_small=True)
    assert headline([good], few).startswith("a may leave")


def test_of_many_generators_the_headline_names_the_best():
    synthetic = [judgement(f"g{i}", uses=uses(*[Fitness.FIT] * i)) for i in range(5)]
    text = headline(synthetic, None)
    uses_of = "software testing, allele frequencies, GWAS methods and imputation"
    assert f"the best, g4, is fit for {uses_of}" in text
    assert "g3" not in text


def test_a_badge_counts_the_worst_population_in_the_headline():
    part = grade(Use.SOFTWARE, Fitness.NOT_FIT, "FIN")
    synthetic = judgement("a", privacy="pass", uses=[*uses(Fitness.FIT), part])
    assert headline([synthetic], None) == "a may leave; it is fit for no use."


@pytest.mark.parametrize(
    ("fidelity", "privacy", "expected"),
    [
        ("pass", "pass", True),
        ("weak", "pass", True),
        ("fail", "pass", False),
        ("overfitted", "pass", False),
        ("not run", "pass", False),
        ("pass", "weak", False),
        ("pass", "not run", None),
        ("pass", "", None),
    ],
)
def test_what_may_leave(fidelity, privacy, expected):
    assert may_leave(fidelity, privacy) is expected


@pytest.mark.parametrize(
    ("fidelity", "privacy", "start"),
    [
        ("weak", "pass", "a may leave; 1 of 2 metrics"),
        ("pass", "weak", "a should not leave, as the audit does not pass; 1 of 2"),
        ("fail", "pass", "a should not leave, as fidelity fails"),
        ("pass", "not run", "Whether a may leave is not known"),
        ("pass", "", "Whether a may leave is not known"),
    ],
)
def test_the_headline_of_sequences_is_about_what_may_leave(fidelity, privacy, start):
    rows = [
        typed("a", "generator", MetricId.GC_DISTANCE, 0.5),
        typed("a", "generator", MetricId.CNN_AUC, 0.5, "fail"),
    ]
    one = judgement("a", fidelity=fidelity, privacy=privacy)
    one.may_leave = may_leave(fidelity, privacy)
    assert sequence_headline([one], list(map(as_metric, rows))).startswith(start)


def test_names_in_a_sentence():
    assert joined([]) == ""
    assert joined(["a"]) == "a"
    assert joined(["a", "b"]) == "a and b"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert set(SHORT_USES) == set(Use)


def test_bars_are_drawn_to_scale():
    leak = CohortLeak(**leak_facts(), unavoidable=0.55, too_small=False)
    synthetic = judgement(
        "a", worst_attack=0.6, worst_attack_low=0.48, worst_attack_high=0.68, unavoidable=0.55,
        excess=0.05, excess_low=-0.07, excess_high=0.13,
    )  # fmt: skip
    data = DataSet(name="x", data_type="haplotypes", leak=leak, judgements=[synthetic], metrics=[])
    top = scale_end(data)
    assert top == 0.7
    assert ticks(top) == [("0.5", 0.0), ("0.6", 50.0), ("0.7", 100.0)]
    drawn = bar(synthetic, leak, top)
    assert (drawn.unavoidable_end, drawn.attack_end) == (25, 50)
    assert (drawn.limit, drawn.excess_limit) == (50, 40)
    assert drawn.interval == (0, 90)  # no place is below chance
    assert (drawn.unavoidable_verdict, drawn.excess_verdict) == (Verdict.PASS, Verdict.WEAK)
    assert bar(judgement("b"), leak, top) is None
    alone = bar(judgement("c", worst_attack=0.9), None, 1.0)
    assert (alone.unavoidable_end, alone.limit, alone.excess_verdict) == (None, None, None)


def cells_of(text: str, row: str) -> list[list[str]]:
    """Cells of the rows of HTML tables; `row` is the beginning of their tags."""
    rows = re.findall(rf"{row}.*?</tr>", text, flags=re.S)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", cells, flags=re.S) for cells in rows]


def test_no_row_is_shown_without_title_direction_and_reference(tmp_path):
    """Every metric of haplotypes and sequences, every attack, in every table of metrics."""
    results = write_results(tmp_path / "results")
    metrics = [m for m in MetricId if m is not MetricId.OVERALL]
    attacks = [*map(Scored, AttackId), Scored(AttackId.HAPLOTYPES, 20)]
    places = {"demo/gan/fidelity": "gan", "sequences/slice/transformer/fidelity": "transformer"}
    for place, name in places.items():
        rows = [fidelity_row(name, "generator", metric, 0.4) for metric in metrics]
        write_table(results / "validation" / f"{place}.tsv", FIDELITY, rows)
    rows = [
        attack_row("gan", "generator", one.attack, 0.6, window=one.window) | {"reference": ""}
        for one in attacks
    ]
    write_table(results / "validation/demo/gan/privacy.tsv", PRIVACY, rows)
    page, data = write(results)
    page = html.unescape(page)
    assert {m["metric"] for part in data for m in part["metrics"]} >= set(metrics)
    for part in data:
        for row in [*part["metrics"], *part["attacks"]]:
            assert row["title"]
            assert row["better"] in set(Better)
            assert row["help"]
    for name in ("metrics-demo", "attacks-demo", "sequences-slice"):
        table = re.search(rf'<table id="{name}".*?</table>', page, flags=re.S)[0]
        heads = re.findall(r'<button type="button">(.*?)</button>', table)
        rows = cells_of(table, "<tr class")
        assert len(rows) >= len(AttackId)
        for row in rows:
            assert row[heads.index("direction")] in set(Better), row
            assert row[heads.index("reference")] != "–", row
    matrices = re.findall(r'<table class="matrix">.*?</table>', page, flags=re.S)
    lines = [row for matrix in matrices for row in cells_of(matrix, "<tr>")[1:]]
    for _, direction, reference, *_ in lines:
        assert direction in set(Better)
        assert reference != "–"
    shown = {line[0] for line in lines}
    assert {m.title for m in metrics} <= shown
    assert {f"{one.named(one.attack.title)} (AUC)" for one in attacks} <= shown
    # the tables on top of a panel and of a set: two rows that say both for each column
    for summary in re.findall(r'<table class="summary">.*?</thead>', page, flags=re.S):
        better, reference = cells_of(summary, '<tr class="guide">')
        assert [bool(text) for text in better] == [bool(text) for text in reference]
        assert sum(map(bool, better)) > 5
