"""The report from tables that a test makes: summary, numbers, page, and what must never be in
it.
"""

import json
import re
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from report_tables import (
    FIDELITY,
    GENERATORS,
    METRICS,
    PRIVACY,
    attack_row,
    fidelity_row,
    numbers,
    plot_details,
    typed,
    typed_attack,
    write,
    write_results,
)
from scipy.stats import entropy

from genoloom.errors import InputError
from genoloom.formats.tables import read_table, write_table
from genoloom.privacy.attack_ids import AttackId
from genoloom.report.collect import PanelData, collect
from genoloom.report.data import Judgement
from genoloom.report.page import image
from genoloom.report.plots import decay, information, logo_window, styles
from genoloom.report.summary import HAPLOTYPE_COLUMNS, as_text, summarise_panel
from genoloom.report.words import copying_sentence
from genoloom.stages.report import report
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import Role, Verdict

STRONGEST = (
    "Strongest of 1 attacks by its own metric: Nearest, windows of 200 sites, 0.74; 1 of them fail."
)


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path / "results")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A report that tests only look at: its results, and the page."""
    folder = write_results(tmp_path_factory.mktemp("rendered") / "results")
    return folder, write(folder)


def add_rows(path, rows):
    table = read_table(path)
    write_table(path, list(table[0]), [*table, *rows])


def test_page_is_self_contained_and_holds_the_figures(rendered):
    _, page = rendered
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "@import" not in page
    # trade-off plot, decay, spectrum; PCA, frequency and distances of two generators, training of
    # one; bits and GC of sequences
    assert page.count("<figure>") == 3 + 2 * 3 + 1 + 2
    for text in (
        "Trade-off plot",
        "Good:",
        "0.57",
        "holdout",
        "aaaaaaaaaaaa",
        "cccccccccccc",
        "Li &amp; Stephens 2003",
    ):
        assert text in page
    assert len(page) < 2_000_000


def test_nothing_private_is_read_or_shown(rendered):
    results, page = rendered
    everything = page + "".join(
        p.read_text() for p in (results / "report").rglob("*") if p.is_file()
    )
    assert "SECRET-OF-THE-AUDIT" not in everything
    assert str(results) not in everything
    assert "anonym" not in everything.lower()


def test_plots_are_also_files_and_those_of_an_earlier_report_go(results):
    place = results / "report" / "plots"
    (place / "haplotypes/demo").mkdir(parents=True)
    (place / "haplotypes/demo/gone.pca.svg").write_text("<svg/>")
    page = write(results)
    plots = {str(path.relative_to(place)): path.read_text() for path in place.rglob("*.svg")}
    shown = {f"haplotypes/demo/{name}.svg" for name in ("trade_off", "decay", "spectrum")}
    learned = [name for name, (kind, *_) in GENERATORS.items() if kind == "generator"]
    assert plots.keys() >= shown | {f"haplotypes/demo/{name}.pca.svg" for name in learned}
    assert "haplotypes/demo/gone.pca.svg" not in plots
    assert all(image(svg) in page for svg in plots.values())


def test_small_numbers_of_individuals_are_not_given(results):
    for name in GENERATORS:
        place = results / "validation" / "demo" / name
        add_rows(
            place / "fidelity.tsv",
            [
                fidelity_row(
                    name, GENERATORS[name][0], "frequency_error", 0.2, population="FEW", n=17
                )
            ],
        )
        (place / "details.json").write_text(json.dumps(plot_details() | {"individuals": 13}))
    page = write(results)
    assert "At most 20 individuals of each kind" in page
    data = numbers(results)["data"][0]
    assert data["individuals"] is None
    assert {row["n"] for row in data["metrics"] if row["population"] == "FEW"} == {None}
    assert not re.search(r">1[37]<", page)
    assert "\t17\t" not in (results / "report" / "metrics.tsv").read_text()


def test_same_tables_same_bytes(rendered):
    results, page = rendered
    assert write(results) == page


def test_summary(rendered):
    results, _ = rendered
    rows = {
        row["generator"]: row
        for row in read_table(results / "report" / "summary.tsv")
        if row["panel"]
    }
    assert list(rows) == [*GENERATORS, "real"]
    assert rows["transformer"]["fidelity"] == "fail"  # one population fails, the whole is weak
    assert rows["real"]["fidelity"] == "pass"
    assert rows["transformer"]["privacy"] == "weak"
    assert float(rows["transformer"]["worst_attack_high"]) == 0.62
    lines = (results / "report" / "summary.txt").read_text().splitlines()
    heading = next(i for i, line in enumerate(lines) if line.split() == HAPLOTYPE_COLUMNS[1:])
    better, reference = lines[heading + 1 : heading + 3]
    assert better.split()[:5] == ["better", "-", "near", "reference", "higher"]
    assert reference.split() == ["reference", "-", *["0.5"] * 6, *["-"] * 4]


def test_numbers_follow_the_shipped_schema_and_equal_the_tables(rendered):
    results, _ = rendered
    schema = json.loads((files("genoloom.report") / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    data = numbers(results)
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "surprise": 1}, schema)
    metrics = read_table(results / "report" / "metrics.tsv")
    own = [row for part in data["data"] for row in part["metrics"]]
    assert [row["metric"] for row in metrics] == [row["metric"] for row in own]
    assert [float(row["value"]) for row in metrics] == pytest.approx([row["value"] for row in own])
    written = read_table(results / "validation" / "demo" / "gan" / "fidelity.tsv")
    source = {
        (r["metric"], r["population"], r["bin"]): float(r["value"])
        for r in written
        if r["generator"] == "gan"
    }
    shown = {
        (r["metric"], r["population"], r["bin"]): r["value"] for r in own if r["generator"] == "gan"
    }
    assert shown == source
    attacks = read_table(results / "report" / "attacks.tsv")
    assert {row["generator"] for row in attacks} == {*GENERATORS, "markov"}


def test_new_rows_appear_by_themselves(results):
    place = results / "validation" / "demo" / "gan"
    add_rows(
        place / "fidelity.tsv", [fidelity_row("gan", "generator", "mmd", 0.123, "fail", z=9.0)]
    )
    add_rows(
        place / "privacy.tsv",
        [attack_row("gan", "generator", AttackId.KINSHIP, 0.81, "fail", population="NEW")],
    )
    page = write(results)
    for text in (
        "Maximum mean discrepancy: 0.123",
        "Kinship (AUC)",
        'id="tab-groups-demo-NEW"',
        "0.81",
    ):
        assert text in page
    judgement = next(
        j for j in numbers(results)["data"][0]["judgements"] if j["generator"] == "gan"
    )
    assert judgement["fidelity"] == "fail"
    assert judgement["fidelity_reasons"][1].startswith("Maximum mean discrepancy")  # worst first
    assert "Attacks fail in these groups: NEW." in judgement["privacy_reasons"]


def test_an_attack_of_another_version_is_an_error_with_its_line(results):
    place = results / "validation" / "demo" / "gan" / "privacy.tsv"
    add_rows(place, [attack_row("gan", "generator", "entirely new attack", 0.1)])
    with pytest.raises(InputError, match=r"line \d+: the column 'attack' is a word of another"):
        write(results)


def test_a_metric_of_another_version_is_an_error_with_its_line(results):
    place = results / "validation" / "demo" / "gan" / "fidelity.tsv"
    add_rows(place, [fidelity_row("gan", "generator", "zoo_of_new_things", 0.1)])
    with pytest.raises(InputError, match=r"line \d+: the column 'metric' is a word of another"):
        write(results)


def test_reasons_and_the_pareto_front_of_mosaics(rendered):
    results, page = rendered
    found = {j["generator"]: j for j in numbers(results)["data"][0]["judgements"]}
    # the mosaic is at (0.62, 0.70): the transformer does better in both, the GAN worse
    assert found["transformer"]["beyond_copying"] is True
    assert found["gan"]["beyond_copying"] is False
    assert found["independent"]["beyond_copying"] is None
    assert "Copying does as well: mosaic is at least as faithful and no more exposed." in page
    # no mosaic is as faithful as the transformer; a more exposed one within the interval would be
    # named
    assert "no mosaic of real haplotypes is both as faithful and as little exposed." in page
    mosaic, transformer = (Judgement(**found[name]) for name in ("mosaic", "transformer"))
    near = mosaic.model_copy(update={"classifier_auc": 0.55, "worst_attack": 0.6})
    assert copying_sentence(transformer, [near]).endswith(
        "but mosaic is within the interval of its worst attack."
    )
    assert found["transformer"]["fidelity_reasons"] == [
        "Of 8 metrics, 6 pass: 1 fail, 1 weak.",
        "Allele frequencies, mean error in AAA: 0.3, real data 0.5 ± 0.1; far outside the noise "
        "of real data.",
        "Allele frequencies, mean error: 0.1, real data 0.5 ± 0.1; clearly outside the noise of "
        "real data.",
    ]
    assert found["gan"]["privacy_reasons"] == [
        "Worst attack: AUC 0.74 (0.68 to 0.79); 0.5 learns nothing, chance alone reaches 0.5.",
        "Unavoidable for any faithful release of this cohort: 0.559, pass; excess over it: 0.181 "
        "(0.121 to 0.231), fail.",
        STRONGEST,
    ]


def test_an_attack_that_needs_the_model_is_not_the_strongest_on_the_data(results):
    row = attack_row("gan", "generator", AttackId.GENERATOR_LIKELIHOOD, 0.9, "fail")
    add_rows(results / "validation" / "demo" / "gan" / "privacy.tsv", [row])
    write(results)
    judgement = next(
        j for j in numbers(results)["data"][0]["judgements"] if j["generator"] == "gan"
    )
    reasons = judgement["privacy_reasons"]
    assert STRONGEST in reasons
    assert "Generator likelihood (needs the model): AUC 0.9; fail." in reasons


def test_what_was_not_tried_is_said_in_one_line(results):
    note = "about 40 CPU minutes are above audit.shadow_minutes (15)"
    empty = dict.fromkeys(("measure", "value", "low", "high", "reference"), "")
    row = attack_row("gan", "generator", AttackId.SHADOWS, 0.5, "not run") | empty | {"note": note}
    add_rows(results / "validation" / "demo" / "gan" / "privacy.tsv", [row])
    write(results)
    judgement = next(
        j for j in numbers(results)["data"][0]["judgements"] if j["generator"] == "gan"
    )
    assert (
        f"Not tried: All attacks together, with shadow models ({note})."
        in judgement["privacy_reasons"]
    )
    assert not [
        reason
        for reason in judgement["privacy_reasons"]
        if reason.startswith("Not run, which is no pass")
    ]


def test_the_pareto_front_is_of_baselines_alone(results):
    for table in ("fidelity", "privacy"):
        path = results / "validation" / "demo" / "mosaic" / f"{table}.tsv"
        path.write_text(path.read_text().replace("mosaic\tbaseline", "mosaic\tgenerator"))
    page = write(results)
    found = {j["generator"]: j for j in numbers(results)["data"][0]["judgements"]}
    # a generator that is called mosaic is no yardstick
    assert {j["beyond_copying"] for j in found.values()} == {None}
    assert "Copying does as well" not in page


def test_bins_and_populations_have_tabs_of_their_own(rendered):
    _, page = rendered
    tabs = re.findall(r'role="tab" .*?id="tab-groups-demo-([^"]*)".*?>([^<]*)</button>', page)
    assert tabs == [("all", "all individuals"), ("~bins", "bins and windows"), ("AAA", "AAA")]
    panels = dict(re.findall(r'id="tabpanel-groups-demo-([^"]*)"(.*?)</table>', page, flags=re.S))
    assert "Allele frequencies, mean error; MAF 1-5%" in panels["~bins"]
    assert "MAF" not in panels["all"]
    assert "Worst attack (AUC)" in panels["all"]


def test_a_missing_metric_is_not_a_pass():
    none = [np.nan] * 5
    rows = {
        "gan": [
            MetricRow(
                "gan", Role.GENERATOR, MetricId.SITES_LOST, "all", "all", *none, 50, Verdict.NOT_RUN
            )
        ]
    }
    [row] = summarise_panel("demo", rows, {})
    assert row["fidelity"] == "not run"
    assert row["privacy"] == "not run"
    assert row["classifier_auc"] is None
    assert "-" in as_text([row], HAPLOTYPE_COLUMNS)
    [judgement] = (
        collect([PanelData("demo", rows, {}, {"gan": plot_details()})], []).data[0].judgements
    )
    assert judgement.fidelity_reasons == [
        "Of 1 metrics, 0 pass: 1 not run.",
        "Not measured, which is no pass: Sites that do not vary."
    ]  # fmt: skip


def test_what_may_leave_comes_first():
    names = ["transformer", "gan"]
    fidelity = {n: [typed(n, Role.GENERATOR, MetricId.OVERALL, 0.0, "pass")] for n in names}
    privacy = {
        n: [typed_attack(n, Role.GENERATOR, AttackId.WORST, 0.5, Verdict(verdict))]
        for n, verdict in zip(names, ["fail", "pass"], strict=True)
    }
    panel = PanelData("demo", fidelity, privacy, {n: plot_details() for n in names})
    judgements = collect([panel], []).data[0].judgements
    assert [(j.generator, j.may_leave) for j in judgements] == [
        ("gan", True),
        ("transformer", False),
    ]


def test_figures_that_need_phase_leave_out_unphased_generators(results):
    for name in GENERATORS:
        path = results / "validation" / "demo" / name / "details.json"
        path.write_text(json.dumps(plot_details() | {"phased": False}))
    page = write(results)
    assert "Decay of linkage disequilibrium.</b>" not in page
    assert "Site frequency spectrum.</b>" in page


def test_any_number_of_controls_can_be_drawn():
    names = [f"mosaic_{i}" for i in range(12)]
    drawn = styles({name: "baseline" for name in names})
    assert "mosaic_11" in decay({name: plot_details() for name in names}, drawn)


def test_every_generator_has_its_own_colour():
    roles = {name: "generator" for name in ("ours", "transformer", "theirs", "gan", "another")} | {
        "mosaic": "baseline"
    }
    drawn = styles(roles)
    colours = [drawn[name].colour for name, role in roles.items() if role == "generator"]
    assert len(set(colours)) == len(colours)
    assert drawn["transformer"].colour == styles({"transformer": "generator"})["transformer"].colour
    assert drawn["mosaic"].colour not in colours


def test_missing_tables_are_named(results):
    with pytest.raises(InputError, match=r"stranger/fidelity.tsv: not found"):
        write(results, generators=["mosaic", "stranger"])
    assert not (results / "report").exists()


def test_names_from_data_are_escaped(results):
    path = results / "validation" / "demo" / "transformer" / "fidelity.tsv"
    path.write_text(path.read_text().replace("AAA", "<script>alert(1)</script>"))
    assert "<script>alert(1)" not in write(results)
    assert set(METRICS) <= {row["metric"] for row in numbers(results)["data"][0]["metrics"]}


def test_sequence_pages_show_chains_places_and_both_classifiers(tmp_path):
    folder = tmp_path / "results"
    shares = np.full((6, 4), 0.25).tolist()
    data = {
        "bits": {"order 0": 1.95, "order 1": 1.93, "markov": 1.92, "context_mixing": 1.9},
        "gc": {"edges": [0, 0.5, 1], "holdout": [1, 2], "synthetic": [2, 1]},
        "places": {"holdout": shares, "synthetic": shares},
        "guidance": {
            "weight": [0, 1, 2], "fidelity": [0.5, 0.7, 0.9], "gc_only": [0.5, 0.6, 0.6],
            "ceiling": 0.9, "real_gc_only": 0.6,
            "chance": 0.5, "measure": "balanced accuracy",
        },
    }  # fmt: skip
    for name, role, bits in (
        ("context_mixing", "baseline", 1.9),
        ("transformer", "generator", 1.85),
    ):
        metrics = {"bits_per_base": bits, "kmer6_auc": 0.52, "cnn_auc": 0.61}
        place, models = folder / "validation" / "sequences", folder / "models" / "sequences"
        rows = [fidelity_row(name, role, m, v) for m, v in metrics.items()]
        write_table(place / "set" / name / "fidelity.tsv", FIDELITY, rows)
        attack = attack_row(name, role, AttackId.WORST, 0.53)
        write_table(place / "set" / name / "privacy.tsv", PRIVACY, [attack])
        (place / "set" / name / "details.json").write_text(json.dumps(data))
        (models / "set").mkdir(parents=True, exist_ok=True)
        description = {
            "generator": name,
            "seed": 1,
            "data_digest": "a" * 64,
            "config_digest": "b" * 64,
            "versions": {"x": "1"},
        }
        (models / "set" / f"{name}.json").write_text(json.dumps(description))
    out = folder / "report" / "index.html"
    report(
        results=folder,
        panels=[],
        generators=[],
        sequence_sets=["set"],
        sequence_generators=["context_mixing", "transformer"],
        out=out,
    )
    page = out.read_text()
    assert "convolutional classifier AUC" in page
    for title in ("Bases by place", "Sequence logo", "Labels under guidance"):
        assert f"{title}, transformer" in page
    assert page.count("<img") >= 5
    rows = {row["generator"]: row for row in read_table(out.with_name("summary.tsv"))}
    assert float(rows["transformer"]["cnn_auc"]) == 0.61


def test_information_of_a_place_is_two_bits_less_its_entropy():
    shares = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0], [0.7, 0.1, 0.1, 0.1]])
    np.testing.assert_allclose(information(shares), 2 - entropy(shares, base=2, axis=1), atol=1e-12)


def test_the_logo_shows_the_places_that_say_most():
    shares = np.full((100, 4), 0.25)
    shares[50:60] = [0.9, 0.05, 0.03, 0.02]
    window = logo_window(shares, 20)
    assert window.stop - window.start == 20
    assert window.start <= 50
    assert window.stop >= 60
    assert logo_window(shares[:8], 20) == slice(0, 8)


def test_what_data_are_fit_for_is_in_the_numbers_the_summary_and_the_page(results):
    path = results / "validation" / "demo" / "gan" / "fidelity.tsv"
    rows = [
        fidelity_row("gan", "generator", metric, 0.3)
        for metric in ("ld_r_correlation", "copying_bits")
    ]
    add_rows(
        path, [*rows, fidelity_row("gan", "generator", "ld_r2_correlation", 0.05, population="AAA")]
    )
    page = write(results)
    judgement = next(
        j for j in numbers(results)["data"][0]["judgements"] if j["generator"] == "gan"
    )
    found = {(grade["use"], grade["population"]): grade for grade in judgement["uses"]}
    # real individuals score 0.5 with a spread of 0.1 everywhere in these tables; a row that was
    # made up stands for no use
    assert found["linkage", "all"]["fitness"] == "fit"  # 0.3 is two spreads off
    assert found["linkage", "AAA"] == {
        "use": "linkage", "title": "linkage and GWAS method development", "population": "AAA",
        "fitness": "not fit",
        "limits": ["Linkage between sites (r²), correlation"],
    }  # fmt: skip
    assert found["imputation", "all"]["fitness"] == "fit"
    assert judgement["indistinguishable"] is False
    assert (
        "linkage and GWAS method development, AAA: not fit. Too far from the reference: Linkage "
        "between sites" in page
    )
    assert page.count('<span class="verdict fail">not fit</span> <small>AAA</small>') == 1
    table = read_table(results / "report" / "uses.tsv")
    [row] = [row for row in table if row["generator"] == "gan" and row["use"].startswith("linkage")]
    assert (row["all_individuals"], row["worst_population"]) == ("fit", "not fit (AAA)")
    text = (results / "report" / "summary.txt").read_text()
    assert "not fit (AAA)" in text
    # baselines too, which the printed summary leaves out
    assert {line["generator"] for line in table} == set(GENERATORS)
    assert "independent  allele" not in text
