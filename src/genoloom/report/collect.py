"""From the tables of a run to the numbers of the report."""

from collections.abc import Callable
from dataclasses import dataclass, field

from genoloom import __version__
from genoloom.privacy.attack_ids import SPLIT_ROWS
from genoloom.privacy.rows import AttackRow
from genoloom.report.data import (
    Attack,
    DataSet,
    Judgement,
    Metric,
    Provenance,
    ReportData,
    UseGrade,
    as_attack,
    as_effect,
    as_metric,
    as_star_metric,
    as_task,
    count,
    use_grades,
)
from genoloom.report.first_screen import cohort_leak, headline, may_leave, sequence_headline
from genoloom.report.modes import mode_rows
from genoloom.report.summary import summarise_panel, summarise_set
from genoloom.report.words import dominates, fidelity_reasons, mosaics, placed, privacy_reasons
from genoloom.task_rows import EffectRow, StarRow, TaskRow
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import REAL, Role, Verdict


@dataclass
class SequenceData:
    """What the report shows of one sequence set; tables by generator."""

    name: str
    fidelity: dict[str, list[MetricRow]]
    privacy: dict[str, list[AttackRow]]
    details: dict[str, dict]
    history: dict[str, list[dict]] = field(default_factory=dict)
    models: list[dict] = field(default_factory=list)


@dataclass
class PanelData(SequenceData):
    """The same of one panel, and more.

    `leak` holds what the audit of each generator wrote for the report; `utility`, `p_values`,
    `effects` and `star_alleles` are empty where those tasks were not run.
    """

    leak: dict[str, dict] = field(default_factory=dict)
    utility: dict[str, list[TaskRow]] = field(default_factory=dict)
    p_values: dict[str, dict] = field(default_factory=dict)
    effects: dict[str, list[EffectRow]] = field(default_factory=dict)
    star_alleles: dict[str, list[StarRow]] = field(default_factory=dict)


def collect(panels: list[PanelData], sets: list[SequenceData]) -> ReportData:
    """All numbers of the report."""
    return ReportData(genoloom=__version__, data=[*map(_panel, panels), *map(_set, sets)])


def _own(tables: dict[str, list]) -> list:
    """Every generator's own rows, then the rows of real data, which are in all tables alike."""
    first = next(iter(tables.values()), [])
    own = [row for name, table in tables.items() for row in table if row.generator == name]
    return own + [row for row in first if row.generator == REAL]


def _panel(panel: PanelData) -> DataSet:
    metrics = [as_metric(row) for row in _own(panel.fidelity)]
    attacks = [as_attack(row) for row in _own(panel.privacy)]
    rows = summarise_panel(panel.name, panel.fidelity, panel.privacy)
    some = next(iter(panel.details.values()), {})
    tasks = [as_task(name, row) for name, table in panel.utility.items() for row in table]
    effects = [as_effect(name, row) for name, table in panel.effects.items() for row in table]
    called = panel.star_alleles.items()
    stars = [as_star_metric(name, row) for name, table in called for row in table]

    def uses(generator: str) -> list[UseGrade]:
        measured = (metrics, tasks, effects, stars)
        return use_grades(*([f for f in each if f.generator == generator] for each in measured))

    judgements = _judgements(rows, metrics, attacks, uses)
    leak = cohort_leak(panel.leak, judgements)
    accounts = {name: data.get("site_account") for name, data in panel.details.items()}
    return DataSet(
        name=panel.name,
        data_type="haplotypes",
        individuals=count(some.get("individuals")),
        sites=some.get("sites"),
        site_account={name: account for name, account in accounts.items() if account} or None,
        headline=headline(judgements, leak),
        leak=leak,
        judgements=judgements,
        metrics=metrics,
        attacks=attacks,
        utility=tasks,
        effects=effects,
        star_alleles=stars,
        modes=mode_rows(panel.models, judgements, metrics),
        provenance=[*map(_of_model, panel.models), *_of_plots(panel.details)],
    )


def _judgements(
    rows: list[dict],
    metrics: list[Metric],
    attacks: list[Attack],
    uses: Callable[[str], list[UseGrade]] = lambda generator: [],
) -> list[Judgement]:
    judged = [
        Judgement(
            generator=row["generator"],
            role=row["role"],
            fidelity=row["fidelity"],
            privacy=row["privacy"],
            classifier_auc=row.get("classifier_auc", row.get("cnn_auc")),
            worst_attack=row["worst_attack"],
            worst_attack_low=row["worst_attack_low"],
            worst_attack_high=row["worst_attack_high"],
            **_parts_of_the_leak(attacks, row["generator"]),
            may_leave=may_leave(row["fidelity"], row["privacy"]),
            indistinguishable=row["fidelity"] == Verdict.PASS,
            # real individuals have no row of what the choice of the sites decides, and are what all
            # are compared with
            uses=uses(row["generator"]) if row["role"] in tuple(Role) else [],
            fidelity_reasons=fidelity_reasons(
                [m for m in metrics if m.generator == row["generator"]]
            ),
            privacy_reasons=privacy_reasons(
                [a for a in attacks if a.generator == row["generator"]]
            ),
        )
        for row in rows
    ]
    copying = mosaics(judged)
    for judgement in placed(judged):
        if copying and judgement.role == Role.GENERATOR:
            judgement.beyond_copying = not any(dominates(mosaic, judgement) for mosaic in copying)
    return sorted(judged, key=lambda judgement: not judgement.may_leave)  # what may leave first


def _parts_of_the_leak(attacks: list[Attack], generator: str) -> dict[str, float | None]:
    own = {a.attack: a for a in attacks if a.generator == generator and a.population == "all"}
    unavoidable, excess = map(own.get, SPLIT_ROWS)
    return {
        "unavoidable": unavoidable.value if unavoidable else None,
        "excess": excess.value if excess else None,
        "excess_low": excess.low if excess else None,
        "excess_high": excess.high if excess else None,
    }


def _set(data: SequenceData) -> DataSet:
    metrics = [as_metric(row) for row in _own(data.fidelity)]
    attacks = [as_attack(row) for row in _own(data.privacy)]
    rows = summarise_set(data.name, data.fidelity, data.privacy)
    judgements = _judgements(rows, metrics, attacks)
    provenance = [*map(_of_model, data.models), *_of_plots(data.details)]
    return DataSet(
        name=data.name,
        data_type="sequences",
        headline=sequence_headline(judgements, metrics),
        judgements=judgements,
        metrics=metrics,
        attacks=attacks,
        provenance=provenance,
    )


def _of_model(model: dict) -> Provenance:
    return Provenance(
        of=model["generator"], contig=model.get("contig"), seed=model.get("seed"),
        data_digest=model.get("data_digest"),
        options_digest=model.get("config_digest"), versions=model.get("versions", {}),
    )  # fmt: skip


def _of_plots(details: dict[str, dict]) -> list[Provenance]:
    found = {name: data["provenance"] for name, data in details.items() if "provenance" in data}
    return [Provenance(of=f"plots of {name}", **values) for name, values in found.items()]
