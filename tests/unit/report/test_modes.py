"""Synthetic data of privacy modes next to public individuals."""

import html
import json
import re

import pytest
from report_tables import (
    FIDELITY,
    METRICS,
    PRIVACY,
    attack_row,
    fidelity_row,
    numbers,
    write,
    write_results,
)

from genoloom.formats.tables import write_table
from genoloom.privacy.accounting import mu_of
from genoloom.privacy.attack_ids import AttackId
from genoloom.report.page import image


def test_data_of_a_privacy_mode_are_next_to_public_individuals(tmp_path):
    results = write_results(tmp_path / "results")
    place = results / "validation" / "demo" / "comparison"
    of_rows = {"public_individuals": 0.52, "public_mosaic": 0.55, "private_twin": 0.51}
    rows = [
        fidelity_row(name, "comparison", metric, value)
        for name, auc in of_rows.items()
        for metric, value in (METRICS | {"classifier_auc": auc}).items()
    ]
    write_table(place / "fidelity.tsv", FIDELITY, rows)
    attacks = [attack_row("private_twin", "comparison", AttackId.WORST, 0.93, "fail")]
    write_table(place / "privacy.tsv", PRIVACY, attacks)
    [model] = (results / "models" / "demo" / "gan").glob("*.json")
    told = {"mode": "statistics", "epsilon": 3.0, "delta": 1e-5, "mu": mu_of(3.0, 1e-5)}
    model.write_text(json.dumps(json.loads(model.read_text()) | {"privacy": told}))
    page = write(results, comparison=True)
    data = numbers(results)["data"][0]
    modes = {row["generator"]: row for row in data["modes"]}
    # the smallest epsilon first, what has no guarantee last; baselines are no data to give away
    assert [*modes][:3] == ["public_individuals", "public_mosaic", "gan"]
    assert {*modes} == {*of_rows, "gan", "transformer"}
    assert (modes["public_mosaic"]["epsilon"], modes["public_mosaic"]["permitted_auc"]) == (0, 0.5)
    assert modes["gan"]["permitted_rate"] == pytest.approx(0.054, abs=5e-4)  # docs/privacy.md
    assert modes["private_twin"]["epsilon"] is modes["private_twin"]["permitted_auc"] is None
    assert (modes["private_twin"]["worst_attack"], modes["gan"]["worst_attack"]) == (0.93, 0.74)
    judged = {j["generator"]: j for j in data["judgements"]}
    assert judged["public_mosaic"]["privacy"] == ""  # nothing to attack, not: not run
    assert judged["public_mosaic"]["may_leave"] is None
    assert judged["private_twin"]["privacy"] == "fail"
    svg = (results / "report/plots/haplotypes/demo/frontier.svg").read_text()
    assert image(svg) in page
    for text in ("permitted at most", "no limit", *modes):
        assert text in svg
    for row in modes.values():
        assert row["help"] in html.unescape(page)
    for text in ("Next to public individuals", "5.4 %", 'title="Largest AUC that the guarantee'):
        assert text in page
    text = (results / "report" / "summary.txt").read_text()
    assert re.search(r"private_twin +comparison +0.93", text)
    # a run without modes has none of it
    assert "Next to public individuals" not in write(write_results(results.with_name("other")))
