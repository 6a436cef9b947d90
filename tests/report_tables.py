"""Tables and figure data of a small run, as the stages write them, for tests of the report."""

import json
from pathlib import Path

import numpy as np

from genoloom.formats.tables import write_table
from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.leak_budget import unavoidable
from genoloom.privacy.rows import PUBLIC_COLUMNS as PRIVACY
from genoloom.privacy.rows import AttackRow
from genoloom.stages.report import report
from genoloom.validation.rows import COLUMNS as FIDELITY
from genoloom.validation.rows import MetricRow

METRICS = {
    "sites_lost": 0.03,
    "ld_r2_correlation": 0.99,
    "classifier_auc": 0.6,
    "aats_holdout": 0.55,
    "aats_synthetic": 0.52,
}
LARGE_ENOUGH, TOO_SMALL = 20.0, 200.0  # effective sites, for 150 individuals and a limit of 0.6
# classifier AUC and worst attack of each: where it is in the trade-off plot
GENERATORS = {
    "independent": ("baseline", 0.98, 0.51),
    "mosaic": ("baseline", 0.62, 0.70),
    "transformer": ("generator", 0.6, 0.57),
    "gan": ("generator", 0.75, 0.74),
}


def fidelity_row(
    row, role, metric, value, verdict="pass", population="all", bin="all", n=50, z=0.0
) -> dict:
    cells = (row, role, metric, population, bin, value, 0.5, 0.1, 1.0, z, n, verdict)
    return dict(zip(FIDELITY, cells, strict=True))


def typed(*given) -> MetricRow:
    """The same as a record."""
    return MetricRow(*fidelity_row(*given).values())


def attack_row(
    row, role, attack, value, verdict="pass", population="all", measure="auc", n=50, window=0
) -> dict:
    reference = 0.0 if measure == "difference" else 0.5
    cells = (
        row,
        role,
        attack,
        window,
        population,
        measure,
        value,
        value - 0.06,
        value + 0.05,
        reference,
        n,
        verdict,
        "",
    )
    return dict(zip(PRIVACY, cells, strict=True))


def typed_attack(*given) -> AttackRow:
    """The same as a record."""
    cells = attack_row(*given)
    return AttackRow(**cells | {"measure": Measure(cells["measure"])})


def plot_details(seed: int = 1) -> dict:
    rng = np.random.default_rng(seed)
    curve = [0.4, 0.3, 0.1]
    edges = np.linspace(0, 10, 41).tolist()
    return {
        "individuals": 50,
        "sites": 625,
        "frequency": {
            "edges": np.linspace(0, 1, 26).tolist(),
            "sites": rng.integers(0, 9, (25, 25)).tolist(),
        },
        "spectrum": {
            "from_count": [1, 2, 4],
            "to_count": [1, 3, 9],
            "synthetic": curve,
            "holdout": curve,
            "train": curve,
        },
        "decay": {
            "edges_bp": [0, 1000, 3000, None],
            "used": [True] * 3,
            "synthetic": curve,
            "holdout": curve,
            "train": curve,
        },
        "pca": {
            "real_ellipses": [
                {"population": "AAA", "mean": [0, 0], "covariance": [[1, 0.2], [0.2, 1]]}
            ],
            "synthetic_points": [
                {"population": "AAA", "x": float(x), "y": float(y)}
                for x, y in rng.standard_normal((50, 2))
            ],
        },
        "distances": {
            "edges": edges,
            "holdout": [1] * 40,
            "synthetic": [2] * 40,
            "between": [3] * 40,
        },
        "provenance": {
            "seed": 7,
            "data_digest": "c" * 64,
            "options_digest": "d" * 64,
            "versions": {"numpy": "2"},
        },
    }


def leak_facts(effective_sites: float = LARGE_ENOUGH, individuals: int = 150) -> dict:
    """As the audit writes them for the report."""
    return {
        "max_auc": 0.6, "max_excess": 0.03, "training_individuals": individuals,
        "effective_sites": effective_sites,
    }  # fmt: skip


def write_results(folder: Path, effective_sites: float = LARGE_ENOUGH) -> Path:
    """Results of a panel `demo` with 150 training individuals, and of a sequence set `slice`."""
    reference = unavoidable(effective_sites, 150, 150, 150).auc
    for name, (role, auc, attack) in GENERATORS.items():
        values = METRICS | {"classifier_auc": auc}
        rows = [fidelity_row(name, role, metric, value) for metric, value in values.items()]
        rows.append(fidelity_row(name, role, "frequency_error", 0.1, "weak", z=3.2))
        rows.append(fidelity_row(name, role, "frequency_error", 0.3, "fail", population="AAA"))
        rows.append(fidelity_row(name, role, "frequency_error", 0.2, bin="1-5%"))
        rows += [
            fidelity_row("real", "baseline", metric, value) for metric, value in METRICS.items()
        ]
        place = folder / "validation" / "demo" / name
        write_table(place / "fidelity.tsv", FIDELITY, rows)
        verdict = "weak" if attack < 0.6 else "fail"
        attacks = [
            attack_row(name, role, AttackId.NEAREST, attack, verdict, window=200),
            attack_row(name, role, AttackId.WORST, attack, verdict),
        ]
        attacks.append(
            attack_row(name, role, AttackId.NEAREST, attack, "pass", population="AAA", window=200)
        )
        excess = (
            "pass"
            if attack - reference <= -0.02
            else "weak"
            if attack - reference <= 0.09
            else "fail"
        )
        attacks.append(
            attack_row(
                name, role, AttackId.UNAVOIDABLE, reference, "pass" if reference <= 0.6 else "fail"
            )
            | {"low": "", "high": ""}
        )
        attacks.append(
            attack_row(
                name, role, AttackId.EXCESS, attack - reference, excess, measure="difference"
            )
        )
        write_table(place / "privacy.tsv", PRIVACY, attacks)
        (place / "details.json").write_text(json.dumps(plot_details()))
        (place / "leak.json").write_text(json.dumps(leak_facts(effective_sites)))
        _write_model(folder / "models" / "demo" / name / "20.json", name, contig="20")
    history = [
        {"step": i, "bits": 1 / (i + 1), "train_bits": 1 / (i + 2), "score": 1} for i in range(5)
    ]
    write_table(
        folder / "models" / "demo" / "transformer" / "20.history.tsv",
        ["step", "bits", "train_bits", "score"],
        history,
    )
    for name, role in (("markov", "baseline"), ("transformer", "generator")):
        place = folder / "validation" / "sequences" / "slice" / name
        rows = [
            fidelity_row(name, role, metric, 0.5)
            for metric in ("bits_per_base", "gc_distance", "kmer6_auc")
        ]
        rows.append(fidelity_row("real", "baseline", "gc_distance", 0.4))
        write_table(place / "fidelity.tsv", FIDELITY, rows)
        attacks = [
            attack_row(name, role, attack, 0.55, n=50)
            for attack in (AttackId.MEMBERSHIP_BY_SAMPLES, AttackId.WORST)
        ]
        write_table(place / "privacy.tsv", PRIVACY, attacks)
        shares = {group: [1] * 40 for group in ("holdout", "train", "synthetic")}
        data = {"gc": {"edges": np.linspace(0, 1, 41).tolist(), **shares}}
        (place / "details.json").write_text(json.dumps(data))
        _write_model(folder / "models" / "sequences" / "slice" / f"{name}.json", name)
    private = folder / "private" / "demo" / "transformer"
    private.mkdir(parents=True)
    (private / "audit.tsv").write_text("SECRET-OF-THE-AUDIT\n")
    return folder


def _write_model(path: Path, name: str, **more) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digests = {"data_digest": "a" * 64, "config_digest": "b" * 64}
    path.write_text(
        json.dumps({"generator": name, "seed": 1, **digests, "versions": {"x": "1"}, **more})
    )


def write(results: Path, **changes) -> str:
    """The page of a report on `write_results`."""
    arguments = {
        "panels": ["demo"],
        "generators": list(GENERATORS),
        "sequence_sets": ["slice"],
        "sequence_generators": ["markov", "transformer"],
    } | changes
    report(results=results, out=results / "report" / "index.html", **arguments)
    return (results / "report" / "index.html").read_text()


def numbers(results: Path) -> dict:
    """What the report says, for programs."""
    return json.loads((results / "report" / "report.json").read_text())
