"""Make one shadow model of an audit."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from genoloom.evidence.models import ShadowWork, load_models, made_for
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making
from genoloom.formats.shadow_scores import write_scores
from genoloom.panels.comparands import Comparands
from genoloom.privacy_config import AuditOptions
from genoloom.validation.cohorts import compare_by_ploidy

log = logging.getLogger(__name__)


def shadow(
    *,
    number: int,
    comparands: Comparands,
    models: Sequence[Path],
    out: Path,
    options: AuditOptions,
    seed: int,
    sources: Mapping[str, Path],
    state: Path | None = None,
    threads: int = 1,
) -> None:
    """Make one shadow model of an audit, and write what its attacks score.

    Where the plan of the audit is to fit none, the file says nothing; the audit finds the same and
    says why.

    Parameters
    ----------
    number : int
        From 0 on.
    out : Path
        Its directory is closed to others (mode 0700).
    seed : int
        That of the audit.
    state : Path, optional
        Directory of checkpoints; removed at the end.
    """
    comparands = comparands.unjoined or comparands
    used = {f"model/{path.name}": path for path in models}
    record = Making("shadow", {**sources, **used})
    individuals = compare_by_ploidy(comparands.pairs[0], comparands.roles, seed)
    work = ShadowWork(
        load_models(models, comparands.pairs, individuals),
        comparands.pairs,
        individuals,
        options,
        seed,
    )
    plan, mark = work.plan(), made_for(record.digests, options, seed, number)
    close_directory(out.parent)
    if number >= plan.number:
        log.info("no shadow model: %s", plan.reason or f"there are {plan.number}")
        write_scores(out, mark, work.members(number), {})
        return
    place = state and state / mark[:12]
    if place:
        close_directory(place)
    found = work.fit(number, place, threads)
    scores = {str(scored): values for scored, values in found.scores.items()}
    write_scores(out, mark, found.member, scores)
    if place:
        shutil.rmtree(place)
    log.info("shadow model %d of %d", number + 1, plan.number)
