"""Attack synthetic sequences; keep the findings private, and write what may be shown."""

import logging
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, numbered
from genoloom.formats.sequence_sets import read_set
from genoloom.formats.tables import read_records, write_records
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence import BASELINES
from genoloom.privacy.rows import AttackRow, PrivateAttackRow, public_rows
from genoloom.privacy.sequence_audit import SequenceAuditor
from genoloom.sequence_config import AuditSequencesOptions
from genoloom.sequences import is_canary
from genoloom.validation.rows import own_rows
from genoloom.validation.verdicts import Role

log = logging.getLogger(__name__)

FEWEST = 2  # sequences of each kind


def audit_sequences(
    *,
    name: str,
    synthetic: Path,
    train: Path,
    holdout: Path,
    model: Path | None,
    baselines: list[Path],
    out: Path,
    public: Path | None,
    options: AuditSequencesOptions,
    seed: int,
) -> None:
    """Write the private audit and the public table of verdicts, with the baselines' verdicts.

    Next to `out` is `audit.json`, the record of provenance: what was audited, and how. Works on any
    files of sequences, whoever made them.

    Parameters
    ----------
    synthetic, train, holdout : Path
        FASTA, tables or text; clusters and `stranded` are taken from the headers of `train`.
    model : Path or None
        For the attack by likelihood, where the model has one.
    baselines : list of Path
        Public tables of baselines.
    out : Path
        Its directory is closed to others (mode 0700).
    public : Path or None
        Rows of groups that are large enough.

    Raises
    ------
    InputError
        A file is none of sequences, or has too few.
    """
    files = {"synthetic": synthetic, "train": train, "holdout": holdout}
    record = Making("audit-sequences", {**files, "model": model, **numbered("baseline", baselines)})
    sets = {role: read_set(path, options.stranded) for role, path in files.items()}
    planted = is_canary(sets["train"])
    fitted = sets["train"].take(~planted)
    for path, sequences in (*zip(files.values(), sets.values(), strict=True), (train, fitted)):
        if len(sequences) < FEWEST:
            raise InputError(
                path, f"holds {len(sequences)} sequences", expected=f"at least {FEWEST}"
            )
    generator = load_sequence_generator(model)[0] if model else None
    likely = generator if generator is not None and generator.has_likelihood else None
    auditor = SequenceAuditor(
        name,
        Role.BASELINE if name in BASELINES else Role.GENERATOR,
        sets["synthetic"],
        fitted,
        sets["holdout"],
        sets["train"].take(planted),
        options.bootstrap,
        options.max_auc,
        options.max_compared,
        seed,
        likely.likelihood_of if likely else None,
    )
    rows = auditor.rows()
    close_directory(out.parent)
    write_records(out, PrivateAttackRow, rows)
    if public is not None:
        shown = public_rows(rows)
        shown += own_rows((read_records(path, AttackRow) for path in baselines), BASELINES)
        write_records(public, AttackRow, shown)
    written = [out, *([public] if public is not None else [])]
    facts = {"compared": rows[-1].n}
    record.write(out.with_name("audit.json"), written, options, seed=seed, facts=facts)
    for row in rows:
        log.info("%s", row)
