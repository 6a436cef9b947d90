"""The audit: what synthetic haplotypes reveal about the training individuals, next to the same for
held-out individuals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.excess import LeakBasis
from genoloom.privacy.rows import ExposureRow, PrivateAttackRow
from genoloom.privacy.shadows import Shadow
from genoloom.validation.verdicts import Role


@dataclass(frozen=True)
class Audit:
    """Rows of the private table and of the private table of individuals; `not_comparable` are
    reasons why nothing that passes says anything.
    """

    rows: list[PrivateAttackRow]
    individuals: list[ExposureRow]
    not_comparable: list[str]


def audit(
    data: AuditData,
    name: str,
    role: Role,
    resamples: int,
    max_auc: float,
    seed: int,
    model_scores: dict[AttackId, np.ndarray] | None = None,
    relatives: np.ndarray | None = None,
    phased: bool = True,
    shadows: Sequence[Shadow] = (),
    untried: str = "",
    max_excess: float = 0.03,
    training: int | None = None,
    unmatched: float = 0.0,
    public: bool = False,
    ids: Sequence[str] | None = None,
) -> Audit:
    """Judge what was collected.

    Parameters
    ----------
    name : str
    role : Role
        Of the rows: what was audited.
    resamples : int
        Bootstrap samples, and shuffles of who trained.
    max_auc : float
        Largest AUC that passes.
    model_scores : dict, optional
        Scores of individuals by attacks that need the model, NaN for individuals who were not
        scored.
    relatives : ndarray of bool, shape (n_individuals,), optional
        Held-out individuals with a relative among the training individuals.
    phased : bool
        Whether phase is known. Without it, what needs it is `not run`, and so is an audit that
        would pass.
    shadows : sequence of Shadow
        For the attacker who has trained shadow models; without, the row is `not run`.
    untried : str
        Why there are none: the note of that row.
    max_excess : float
        Largest AUC beyond the unavoidable one that passes.
    training : int, optional
        Individuals that the model was trained on; those compared when not given.
    unmatched : float
        Share of the sites of the synthetic data that are not in the comparison.
    public : bool
        The model was made from public individuals.
    ids : sequence of str, optional
        Of the real individuals compared, held-out individuals first; their numbers when not given.
    """
    basis = LeakBasis(
        data.effective_sites, training or data.individuals.n, data.individuals.n, public
    )
    auditor = Auditor(
        data,
        name,
        role,
        resamples,
        max_auc,
        seed,
        relatives,
        phased,
        shadows,
        max_excess,
        basis,
        unmatched,
    )
    rows = auditor.rows() + auditor.model_rows(model_scores or {})
    if not shadows:
        # an attack that was not run neither passes nor fails the audit: whether it must be run is
        # for the release to say
        rows.append(auditor.not_run_row(Scored(AttackId.SHADOWS), untried))
    return Audit(
        rows, auditor.individuals(ids or range(2 * data.individuals.n)), auditor.not_comparable
    )
