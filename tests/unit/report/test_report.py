"""The report from tables that a test makes: summary, page, and what must never be in it."""

import json
import re

import numpy as np
import pytest

from genoloom.errors import InputError
from genoloom.formats.tables import read_table, write_table
from genoloom.report.summary import HAPLOTYPE_COLUMNS, as_text, summarise_panel
from genoloom.stages.report import report

FIDELITY = ["row", "kind", "metric", "population", "bin", "value", "floor", "floor_sd", "nfr", "z", "n", "verdict"]
PRIVACY = ["row", "kind", "attack", "population", "measure", "value", "low", "high", "floor", "n", "verdict"]
METRICS = {"sites_lost": 0.03, "ld_r2_correlation": 0.99, "classifier_auc": 0.6, "aats_truth": 0.55, "aats_synthetic": 0.52}


def fidelity_row(row, kind, metric, value, verdict="pass", population="all"):
    cells = (row, kind, metric, population, "all", value, 0.5, 0.1, 1.0, 0.0, 50, verdict)
    return dict(zip(FIDELITY, cells, strict=True))


def figures():
    rng = np.random.default_rng(1)
    curve = [0.4, 0.3, 0.1]
    edges = np.linspace(0, 10, 41).tolist()
    return {
        "people": 50, "sites": 625,
        "frequency": {"edges": np.linspace(0, 1, 26).tolist(), "sites": rng.integers(0, 9, (25, 25)).tolist()},
        "spectrum": {"from_count": [1, 2, 4], "to_count": [1, 3, 9], "synthetic": curve, "holdout": curve, "train": curve},
        "decay": {"edges_bp": [0, 1000, 3000, None], "used": [True] * 3, "synthetic": curve, "holdout": curve, "train": curve},
        "pca": {
            "real_ellipses": [{"population": "AAA", "mean": [0, 0], "covariance": [[1, 0.2], [0.2, 1]]}],
            "synthetic_points": [{"population": "AAA", "x": float(x), "y": float(y)} for x, y in rng.standard_normal((50, 2))],
        },
        "distances": {"edges": edges, "holdout": [1] * 40, "synthetic": [2] * 40, "between": [3] * 40},
    }  # fmt: skip


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    for name, kind in (("mosaic", "control"), ("transformer", "generator")):
        rows = [fidelity_row(name, kind, metric, value) for metric, value in METRICS.items()]
        rows.append(fidelity_row(name, kind, "frequency_error", 0.1, "weak"))
        rows.append(fidelity_row(name, kind, "frequency_error", 0.3, "fail", population="AAA"))
        rows += [fidelity_row("real", "control", metric, value) for metric, value in METRICS.items()]
        place = folder / "validation" / "demo" / name
        write_table(place / "fidelity.tsv", FIDELITY, rows)
        attack = (name, kind, "worst", "all", "auc", 0.57, 0.51, 0.62, 0.5, 50, "weak")
        write_table(place / "privacy.tsv", PRIVACY, [dict(zip(PRIVACY, attack, strict=True))])
        (place / "figures.json").write_text(json.dumps(figures()))
        model = folder / "models" / "demo" / name
        model.mkdir(parents=True)
        description = {
            "generator": name,
            "contig": "20",
            "seed": 1,
            "data_digest": "a" * 64,
            "config_digest": "b" * 64,
            "versions": {"x": "1"},
        }
        (model / "20.json").write_text(json.dumps(description))
    history = folder / "models" / "demo" / "transformer" / "20.history.tsv"
    write_table(
        history,
        ["step", "bits", "train_bits", "score"],
        [{"step": i, "bits": 1 / (i + 1), "train_bits": 1 / (i + 2), "score": 1} for i in range(5)],
    )
    private = folder / "private" / "demo" / "transformer"
    private.mkdir(parents=True)
    (private / "audit.tsv").write_text("SECRET-OF-THE-AUDIT\n")
    return folder


def write(results, **changes):
    arguments = {
        "panels": ["demo"],
        "generators": ["mosaic", "transformer"],
        "sequence_sets": [],
        "sequence_generators": [],
    } | changes
    report(results=results, out=results / "report" / "index.html", **arguments)
    return (results / "report" / "index.html").read_text()


def test_page_is_self_contained_and_holds_the_figures(results):
    page = write(results)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "@import" not in page
    assert page.count("<figure>") == 3 + 4  # plane, decay, spectrum; PCA, frequency, distances and training of the transformer
    for text in ("Fidelity-privacy plane", "Good:", "0.57", "held-out", "aaaaaaaaaaaa"):
        assert text in page
    assert len(page) < 2_000_000


def test_nothing_private_is_read_or_shown(results):
    page = write(results)
    assert "SECRET-OF-THE-AUDIT" not in page
    assert str(results) not in page
    assert "anonym" not in page.lower()


def test_same_tables_same_bytes(results):
    assert write(results) == write(results)


def test_summary(results):
    write(results)
    rows = {row["generator"]: row for row in read_table(results / "report" / "summary.tsv")}
    assert list(rows) == ["mosaic", "transformer", "real"]
    assert rows["transformer"]["fidelity"] == "weak"  # the worst of the whole groups, not of one population
    assert rows["transformer"]["privacy"] == "weak"
    assert float(rows["transformer"]["worst_attack_high"]) == 0.62
    text = (results / "report" / "summary.txt").read_text()
    assert text.splitlines()[0].split() == HAPLOTYPE_COLUMNS


def test_a_missing_metric_is_not_a_pass():
    [row] = summarise_panel("demo", {"gan": [fidelity_row("gan", "generator", "sites_lost", "0.1", "not run")]}, {})
    assert row["fidelity"] == "not run"
    assert row["privacy"] == "not run"
    assert row["classifier_auc"] is None
    assert "-" in as_text([row], HAPLOTYPE_COLUMNS)


def test_missing_tables_are_named(results):
    with pytest.raises(InputError, match=r"gan/fidelity.tsv: not found"):
        write(results, generators=["mosaic", "gan"])
    assert not (results / "report").exists()


def test_names_from_data_are_escaped(results):
    path = results / "validation" / "demo" / "transformer" / "fidelity.tsv"
    path.write_text(path.read_text().replace("AAA", "<script>alert(1)</script>"))
    assert "<script>alert(1)" not in write(results)


def test_sequence_pages_show_chains_places_and_both_classifiers(tmp_path):
    folder = tmp_path / "results"
    shares = np.full((6, 4), 0.25).tolist()
    data = {
        "bits": {"order 0": 1.95, "order 1": 1.93, "markov": 1.92, "adaptive": 1.9},
        "gc": {"edges": [0, 0.5, 1], "holdout": [1, 2], "synthetic": [2, 1]},
        "places": {"holdout": shares, "synthetic": shares},
    }
    for name, kind, bits in (("adaptive", "control", 1.9), ("transformer", "generator", 1.85)):
        metrics = {"bits_per_base": bits, "kmer6_auc": 0.52, "cnn_auc": 0.61}
        place, models = folder / "validation" / "sequences", folder / "models" / "sequences"
        write_table(place / "set" / f"{name}.tsv", FIDELITY, [fidelity_row(name, kind, m, v) for m, v in metrics.items()])
        (place / "set" / f"{name}.figures.json").write_text(json.dumps(data))
        (models / "set").mkdir(parents=True, exist_ok=True)
        description = {"generator": name, "seed": 1, "data_digest": "a" * 64, "config_digest": "b" * 64, "versions": {"x": "1"}}
        (models / "set" / f"{name}.json").write_text(json.dumps(description))
    out = folder / "report" / "index.html"
    report(
        results=folder, panels=[], generators=[], sequence_sets=["set"], sequence_generators=["adaptive", "transformer"], out=out
    )
    page = out.read_text()
    assert "convolutional classifier AUC" in page
    assert "Bases by place, transformer" in page
    assert page.count("<img") >= 3
    rows = {row["generator"]: row for row in read_table(out.with_name("summary.tsv"))}
    assert float(rows["transformer"]["cnn_auc"]) == 0.61
