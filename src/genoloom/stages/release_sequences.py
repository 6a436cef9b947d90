"""Make the bundle of synthetic sequences that may leave, when the gate passes; otherwise say every
reason and leave no bundle.
"""

import logging
import os
import re
from pathlib import Path

from genoloom import __version__
from genoloom.errors import GateError, InputError
from genoloom.evidence.bundle import attempt, finish_bundle, leaks, made_beside, remove_bundle
from genoloom.formats.models import file_digest
from genoloom.formats.provenance import read_provenance, record_path
from genoloom.formats.sequence_sets import read_records as read_sequences
from genoloom.formats.sequence_sets import read_set, write_fasta
from genoloom.formats.tables import read_records, write_records
from genoloom.models.load import load_sequence_generator
from genoloom.privacy.bundle import release_date, sequence_readme
from genoloom.privacy.gate import fidelity_reasons, loosened_thresholds, option_reasons
from genoloom.privacy.leak_scan import forbidden_here
from genoloom.privacy.rows import AttackRow, PrivateAttackRow
from genoloom.privacy.sequence_gate import audit_reasons
from genoloom.privacy_config import ReleaseOptions
from genoloom.sequence_config import AuditSequencesOptions, ValidateSequencesOptions
from genoloom.sequences import decode, is_canary
from genoloom.validation.rows import MetricRow
from genoloom.validation.sequence_measures import copies
from genoloom.validation.verdicts import REAL

log = logging.getLogger(__name__)

SYNTHETIC_NAME = re.compile(r"SYNSEQ\d{6,}", re.ASCII)
WORD = re.compile(r"[A-Za-z0-9_.+-]{1,80}", re.ASCII)
THRESHOLDS = ("max_auc", "max_tpr", "fidelity", "may_be_missing")  # of `ReleaseOptions`


def release_sequences(
    *, results: Path, sequence_set: str, generator: str, out: Path, options: ReleaseOptions
) -> None:
    """Judge the synthetic sequences of `generator` and write the bundle `out`, next to it first and
    then renamed.

    An older bundle at `out` is removed, whatever the judgement.

    Parameters
    ----------
    results : Path
        Directory of the workflow's results, laid out as in docs/architecture.md.

    Raises
    ------
    GateError
        The gate does not pass, or the leak scan found something; lists every reason. There is no
        bundle then.
    InputError
        There are no synthetic sequences, or something that is no bundle is at `out`.
    """
    remove_bundle(out)
    found = _Files(results, sequence_set, generator)
    reasons = found.reasons(options)
    if reasons:
        raise GateError(f"{sequence_set} {generator}", reasons)
    with made_beside(out) as scratch:
        part = scratch / out.name
        part.mkdir()
        found.write(part, options)
        reasons = leaks(part, forbidden_here((), results, options.canaries))
        if reasons:
            raise GateError(f"{sequence_set} {generator}", reasons)
        os.replace(part, out)
    log.info("%s: the gate passed; %d files", out, len(list(out.iterdir())))


class _Files:
    """The files of one generator in the results, and what they say for or against a release."""

    def __init__(self, results: Path, sequence_set: str, generator: str):
        self.set, self.generator = sequence_set, generator
        real = results / "sequence_sets" / sequence_set
        self.inputs = {
            "synthetic": results / "sequences" / sequence_set / f"{generator}.fa.gz",
            "train": real / "train.fa.gz",
            "holdout": real / "holdout.fa.gz",
            "model": results / "models/sequences" / sequence_set / f"{generator}.safetensors",
        }
        shown = results / "validation/sequences" / sequence_set / generator
        self.fidelity, self.privacy = shown / "fidelity.tsv", shown / "privacy.tsv"
        self.audit = results / "private/sequences" / sequence_set / generator / "audit.tsv"
        if not self.inputs["synthetic"].is_file():
            raise InputError(self.inputs["synthetic"], "not found", remedy="run the workflow first")

    def reasons(self, options: ReleaseOptions) -> list[str]:
        """Every reason against a release."""
        return [
            *attempt("records", lambda: self._broken(options)),
            *attempt("tables", lambda: self._judge(options)),
            *attempt("sequences", self._named),
        ]

    def _broken(self, options: ReleaseOptions) -> list[str]:
        """Whether audit and fidelity table are of these files, and how they were made."""
        found, digests = [], {role: _digest(path) for role, path in self.inputs.items()}
        for what, stage, section, record, outputs in (
            ("audit", "audit-sequences", AuditSequencesOptions,
             self.audit.with_name("audit.json"), (self.audit, self.privacy)),
            ("fidelity", "validate-sequences", ValidateSequencesOptions,
             record_path(self.fidelity.with_suffix("")), (self.fidelity,)),
        ):  # fmt: skip
            recorded = read_provenance(record)
            changed = [
                role for role, one in digests.items() if recorded.inputs.get(role, "") != one
            ]
            changed += [p.name for p in outputs if recorded.outputs.get(p.name, "") != _digest(p)]
            if recorded.stage != stage or changed:
                found.append(
                    f"{what}: is not of these files ({', '.join(changed) or 'another command'}); "
                    "make it again"
                )
            found += option_reasons(what, section, recorded.options, options)
        return found

    def _judge(self, options: ReleaseOptions) -> list[str]:
        """What the tables say."""
        model, _, _ = load_sequence_generator(self.inputs["model"])
        train, synthetic = (read_set(self.inputs[role]) for role in ("train", "synthetic"))
        planted = train.take(is_canary(train))
        private = read_records(self.audit, PrivateAttackRow)
        found = audit_reasons(private, self.generator, options, bool(len(planted)))
        if model.name != self.generator:
            found.append("model: is of another generator")
        if len(planted) and copies(synthetic, planted).any():
            found.append("sequences: a planted sequence is among the synthetic ones")
        rows = read_records(self.fidelity, MetricRow)
        return found + fidelity_reasons(rows, self.generator, options, parts=True)

    def _named(self) -> list[str]:
        """Whether every record is named as a synthetic one, and says that this model made it."""
        model, found = file_digest(self.inputs["model"])[:16], []
        for record in read_sequences(self.inputs["synthetic"]):
            words = [record.tags.get(key, "") for key in ("synthetic", "seed")]
            if not SYNTHETIC_NAME.fullmatch(record.name):
                found = ["sequences: a name is not SYNSEQ and a number"]
            elif record.tags.get("model") != model:
                found = ["sequences: the headers are not of this model; generate them again"]
            elif not all(map(WORD.fullmatch, words)):
                found = ["sequences: a header holds what no generator writes"]
        return found

    def write(self, part: Path, options: ReleaseOptions) -> None:
        """Fill the bundle; every file anew, from what was judged."""
        records = list(read_sequences(self.inputs["synthetic"]))
        write_fasta(part / "sequences.fa.gz", map(self._record, records))
        metrics = read_records(self.fidelity, MetricRow)
        metrics = [row for row in metrics if row.generator in (self.generator, REAL)]
        attacks = read_records(self.privacy, AttackRow)
        attacks = [row for row in attacks if row.generator == self.generator]
        write_records(part / "fidelity.tsv", MetricRow, metrics)
        write_records(part / "privacy.tsv", AttackRow, attacks)
        thresholds = loosened_thresholds(options)
        facts = {
            "title": f"Synthetic sequences: {self.set}, {self.generator}",
            "description": f"{len(records):,} synthetic DNA sequences, sampled from a model; see "
            "README.md",
            "data": f"sequence set {self.set}",
            "generator": self.generator,
            "version": __version__,
            "date": release_date(),
            "licence": options.licence
            or "No licence has been stated: ask those who handed this over",
            "models": [f"sha256:{file_digest(self.inputs['model'])}"],
            "max_auc": options.max_auc,
            "thresholds": [one for one in thresholds if one[0] in THRESHOLDS],
        }
        own = [row for row in metrics if row.generator == self.generator]
        finish_bundle(part, sequence_readme(facts, attacks, own), facts)

    def _record(self, record) -> tuple[str, str]:
        label = f" label={record.tags['label']}" if record.tags.get("label") else ""
        model, seed = record.tags["model"], record.tags["seed"]
        header = (
            f"{record.name}{label} synthetic={record.tags['synthetic']} "
            f"generator={self.generator} model={model} seed={seed}"
        )
        return header, decode(record.bases)


def _digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None
