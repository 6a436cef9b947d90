"""The report's tab of utility and of treatment effects, from tables that a test makes."""

import json

import pytest
from report_tables import GENERATORS, write_results

from genoloom.errors import InputError
from genoloom.formats.tables import write_table
from genoloom.popgen.frequencies import BIN_NAMES
from genoloom.records import columns
from genoloom.report.data import as_effect, as_star_metric, as_task, use_grades
from genoloom.stages.report import report
from genoloom.task_rows import EffectRow, StarRow, TaskRow
from genoloom.validation.uses import Fitness, Use

LEARNED = next(name for name, (role, *_) in GENERATORS.items() if role == "generator")


def task(metric, panel, ratio, population="all", bin="all", method="", task="scores"):
    cells = task, metric, method, population, bin, panel, 0.8 * ratio, 0.01, ratio, 0.001
    return dict(zip(columns(TaskRow), cells, strict=True))


def effect(data, learner, metric, value, group="all"):
    cells = data, learner, metric, group, value, None, 1
    return dict(zip(columns(EffectRow), cells, strict=True))


def tasks():
    rows = [task("score_r2", "real", 1.0), task("score_r2", "synthetic", 0.93)]
    for metric in ("power", "false_positives"):
        for panel in ("real", "synthetic"):
            rows.append(task(metric, panel, 1.0, task="association"))
    for panel, ratio in (("real", 1.0), ("synthetic", 0.985), ("mosaic", 0.7)):
        for bin in ("all", *BIN_NAMES):
            for method in ("li_stephens", "beagle"):
                rows.append(task("dosage_r2", panel, ratio, "all", bin, method, "imputation"))
    return rows


def effects():
    rows = []
    for data, ratio in (("real", 1), ("genotypes", 1.06), ("treatment shuffled", 3)):
        for learner in ("S", "T", "X", "DR", "constant effect"):
            rows += [
                effect(data, learner, "root_pehe_ratio", ratio),
                effect(data, learner, "policy_value", 6.5 / ratio),
                effect(data, learner, "bias", ratio - 1, "*1/*2"),
                effect(data, learner, "qini", 0.123 * ratio),
            ]
    rows += [effect("real", name, "root_pehe", v) for name, v in (("S", 4.5), ("zero effect", 17))]
    rows.append(effect("truth", "", "effect", 20, "*1/*2"))
    rows += [
        effect(d, "", "diplotype_tv", v, "FIN") for d, v in (("real", 0.1), ("synthetic", 0.5))
    ]
    return rows


def star(metric, real, synthetic, population="all", gene="CYP2C9"):
    values = {"real": real, "synthetic": synthetic}
    cells = ((gene, metric, population, data, v) for data, v in values.items() if v is not None)
    return [dict(zip(columns(StarRow), own, strict=True)) for own in cells]


def stars():
    rows = star("diplotype_tv", 0.02, 0.03) + star("diplotype_tv", 0.05, 0.04, gene="TPMT")
    rows += star("diplotype_tv", 0.04, 0.2, "FIN") + star("diplotype_tv", 0.1, 0.2, "GBR")
    rows += star("phenotype_tv", 0.01, 0.02) + star("unmatched_haplotypes", 0, 0.002)
    return rows + star("alleles_lost", None, 2)


def write(folder, generators=tuple(GENERATORS), **shown):
    results = write_results(folder / "results")
    for name in GENERATORS:
        place = results / "validation/demo" / name
        write_table(place / "utility.tsv", columns(TaskRow), tasks())
        drawn = {panel: [0.5, 0.1, 0.9] for panel in ("real", "synthetic")}
        values = {"expected": [0.5, 0.1, 0.9], "null": drawn, "planted": drawn}
        (place / "utility.json").write_text(json.dumps({"p_values": values}))
        write_table(place / "effects.tsv", columns(EffectRow), effects())
        write_table(place / "star_alleles.tsv", columns(StarRow), stars())
    report(
        results=results, panels=["demo"], generators=list(generators), sequence_sets=[],
        sequence_generators=[], out=results / "report/index.html", **shown,
    )  # fmt: skip
    place = results / "report"
    return (place / "index.html").read_text(), json.loads((place / "report.json").read_text())


def test_tab_numbers_and_uses(tmp_path):
    page, data = write(tmp_path, utility=True, effects=True, star_alleles=True)
    assert 'href="#utility-demo"' in page
    for title in ("Imputation by frequency", "Association of planted and null traits", "Error of"):
        assert title in page
    titles = "Policy value", "Effects by diplotype", "Power and false positives", "planted"
    for title in titles:
        assert title in page
    assert "(0.93 ± 0.001)" in page
    table = page[page.index('aria-label="Treatment effects, demo"') :]
    table = table[: table.index("</table>")]
    for text in ("zero effect", "<td>17</td>", "Qini", "<td>0.123</td>", "calibration"):
        assert text in table
    own = data["data"][0]
    assert len(own["utility"]) == len(GENERATORS) * len(tasks())
    assert {f["title"] for f in own["utility"]} >= {"Polygenic scores, r² with the genetic values"}
    assert len(own["effects"]) == len(GENERATORS) * len(effects())
    [judged] = [j for j in own["judgements"] if j["generator"] == LEARNED]
    grades = {(u["use"], u["population"]): u for u in judged["uses"]}
    assert grades["scores", "all"]["fitness"] == "fit with limits"
    assert grades["scores", "all"]["limits"] == ["Polygenic scores (r²), over real-trained"]
    assert grades["treatment", "all"]["fitness"] == "fit"
    assert grades["treatment", "FIN"]["fitness"] == "not fit"  # five times the distance


def test_nothing_is_shown_that_was_not_asked_for(tmp_path):
    page, data = write(tmp_path, generators=[LEARNED])
    assert "utility-demo" not in page
    assert not any(data["data"][0][name] for name in ("utility", "effects", "star_alleles"))
    (tmp_path / "results/validation/demo" / LEARNED / "effects.tsv").unlink()
    with pytest.raises(InputError, match="not found"):
        report(
            results=tmp_path / "results", panels=["demo"], generators=list(GENERATORS),
            sequence_sets=[], sequence_generators=[], out=tmp_path / "x.html", effects=True,
        )  # fmt: skip


def test_uses_ask_for_tasks_only_where_they_were_run():
    assert use_grades([], [], [], []) == []
    synthetic = [as_task("x", TaskRow(**row)) for row in tasks()]
    tried = [as_effect("x", EffectRow(**row)) for row in effects()]
    grades = {(g.use, g.population): g.fitness for g in use_grades([], synthetic, tried, [])}
    assert grades == {
        (Use.IMPUTATION, "all"): Fitness.FIT,
        (Use.SCORES, "all"): Fitness.LIMITS,
        (Use.TREATMENT, "all"): Fitness.FIT,
        (Use.TREATMENT, "FIN"): Fitness.NOT_FIT,
    }


def test_star_alleles_alone_are_shown_and_graded(tmp_path):
    page, data = write(tmp_path, star_alleles=True)
    assert 'href="#utility-demo"' in page
    assert "Imputation by frequency" not in page.split("</nav>")[1].replace("titles", "")
    table = page[page.index('aria-label="Star alleles, demo"') :]
    table = table[: table.index("</table>")]
    assert "CYP2C9, diplotypes, worst population" in table
    assert "0.2 (real 0.04), FIN" in table
    assert f"Star alleles, {LEARNED}" in page
    own = data["data"][0]
    assert len(own["star_alleles"]) == len(GENERATORS) * len(stars())
    [judged] = [j for j in own["judgements"] if j["generator"] == LEARNED]
    grades = {u["population"]: u for u in judged["uses"] if u["use"] == "pharmacogenes"}
    assert grades["all"]["fitness"] == "not fit"  # two alleles lost
    assert grades["FIN"]["fitness"] == "not fit"  # five times the distance
    assert set(grades["all"]["limits"]) == {
        "Haplotypes that no star allele explains", "Star alleles lost",
    }  # fmt: skip


def test_uses_read_star_alleles():
    found = [as_star_metric("x", StarRow(**row)) for row in stars()]
    kept = [f for f in found if f.metric != "alleles_lost"]
    grades = {(g.use, g.population): g.fitness for g in use_grades([], [], [], kept)}
    assert grades == {
        (Use.PHARMACOGENES, "all"): Fitness.LIMITS,  # 1 in 500 haplotypes is impossible
        (Use.PHARMACOGENES, "FIN"): Fitness.NOT_FIT,
    }
