"""Attack synthetic haplotypes; keep the findings private, and write what may be shown."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.evidence.models import (
    ShadowWork,
    load_models,
    make_shadows,
    read_shadows,
    window_sizes,
)
from genoloom.formats.atomic import write_beside
from genoloom.formats.encryption import encrypt, read_public_key
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, numbered
from genoloom.formats.tables import read_records, records_text, write_records
from genoloom.models.haplotype import BASELINES
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import Panel, genetic_positions
from genoloom.panels.comparands import Comparands
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.excess import LeakBasis
from genoloom.privacy.rows import AttackRow, ExposureRow, PrivateAttackRow, public_rows
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Comparison, compare_by_ploidy, read_rows
from genoloom.validation.rows import ALL, own_rows
from genoloom.validation.verdicts import Role

log = logging.getLogger(__name__)

# individuals per role whom the model is asked about: it can take as long as training does
SCORED_INDIVIDUALS = 150


def audit(
    *,
    name: str,
    comparands: Comparands,
    baselines: list[Path],
    out: Path,
    public: Path | None,
    options: AuditOptions,
    seed: int,
    leak: Path | None = None,
    role: Role | None = None,
    sources: Mapping[str, Path] | None = None,
    models: Sequence[Path] = (),
    shadows: Sequence[Path] = (),
) -> None:
    """Write the private audit and the public table of verdicts.

    Next to `out` are `individuals.tsv` (who is exposed, the most exposed first; encrypted as
    `individuals.tsv.c4gh` where a recipient is named) and `audit.json` (the record of provenance:
    what was audited, and how).

    Parameters
    ----------
    leak : Path, optional
        JSON to write: the limits of the leak, and what the unavoidable part follows from. May be
        shown.
    role : Role, optional
        By the name when not given.
    comparands : Comparands
        Of `open_comparands`: the workflow's files, or files of any tool.
    baselines : list of Path
        Public tables of baselines.
    out : Path
        Its directory is closed to others (mode 0700).
    public : Path, optional
        Table of verdicts and intervals that may be shown.
    sources : mapping of str to Path, optional
        Of `source_files`: their digests are recorded, and a release is only made from the files
        that were audited.
    models : sequence of Path
        Models of the generator, one a contig, for the attacks that need them.
    shadows : sequence of Path
        What `genoloom shadow` has written, in order; made here where none are given.
    """
    comparands = comparands.unjoined or comparands
    key = read_public_key(options.recipient) if options.recipient else None
    used = {f"model/{path.name}": path for path in models}
    known = {f"shadow/{path.name}": path for path in shadows}
    record = Making(
        "audit", {**(sources or {}), **used, **known, **numbered("baseline", baselines)}
    )
    individuals = compare_by_ploidy(comparands.pairs[0], comparands.roles, seed)
    loaded = load_models(models, comparands.pairs, individuals)
    if options.shadow_models not in ("auto", 0) and not loaded.generators:
        raise InputError(
            "--shadow-models",
            "no model is given",
            remedy="give the models of the generator with --model",
        )
    data = AuditData(individuals, *window_sizes(options))
    for synthetic, real in comparands.pairs:
        data.add(synthetic, real, genetic_positions(real.sites))
    work = ShadowWork(loaded, comparands.pairs, individuals, options, seed)
    plan = work.plan()
    if shadows:
        digests = {
            role: record.digests[role]
            for role in (*(sources or {}), *used)
            if role in record.digests
        }
        tried = read_shadows(shadows, plan.number, work, digests)
    else:
        tried = make_shadows(plan.number, work)
    training = comparands.roles.count("train")
    auditor = Auditor(
        data,
        name,
        role or (Role.BASELINE if name in BASELINES else Role.GENERATOR),
        options.bootstrap,
        options.max_auc,
        seed,
        relatives=_relatives(real, comparands.roles, individuals),
        phased=comparands.phased,
        shadows=tried,
        max_excess=options.max_excess,
        training=training,
        unmatched=comparands.unmatched,
        public=loaded.public,
    )
    found = auditor.audit(
        _model_scores(loaded.generators, comparands.pairs, individuals, seed),
        plan.reason,
        [real.individuals.id[i] for i in individuals.real_individuals],
    )
    for reason in found.not_comparable:
        log.warning("%s: cannot pass: %s", name, reason)

    close_directory(out.parent)
    _write_individuals(out.with_name("individuals.tsv"), found.individuals, key)
    write_records(out, PrivateAttackRow, found.rows)
    shown = public_rows(found.rows)
    if public is not None:
        others = own_rows((read_records(path, AttackRow) for path in baselines), BASELINES)
        write_records(public, AttackRow, shown + others)
    if leak is not None:
        basis = LeakBasis(data.effective_sites, training, individuals.n)
        limits = {"max_auc": options.max_auc, "max_excess": options.max_excess}
        with write_beside(leak) as [part]:
            part.write_text(json.dumps(limits | basis.public_facts()) + "\n")
    written = [out, *([public] if public is not None else [])]
    facts = {
        "individuals_per_role": individuals.n,
        "training_individuals": training,
        "effective_sites": data.effective_sites,
    }
    # a path is no part of it, and "auto" has become a number
    used_options = options.model_copy(update={"recipient": None, "shadow_models": plan.number})
    record.write(out.with_name("audit.json"), written, used_options, seed=seed, facts=facts)
    for row in shown:
        if row.population == ALL:
            log.info("%s", row)


def _write_individuals(path: Path, rows: list[ExposureRow], key: bytes | None) -> None:
    """The private table of individuals, in the clear or encrypted; never both."""
    encrypted = Path(f"{path}.c4gh")
    if key is None:
        write_records(path, ExposureRow, rows)
        encrypted.unlink(missing_ok=True)
        return
    with write_beside(encrypted) as [part]:
        encrypt(records_text(ExposureRow, rows).encode(), part, key)
    path.unlink(missing_ok=True)


def _relatives(real: Panel, roles: list[str], individuals: Comparison) -> np.ndarray:
    """Held-out individuals compared whose family also has training individuals, bool
    (n_individuals,).
    """
    families = {
        family
        for family, role in zip(real.individuals.family, roles, strict=True)
        if role == "train" and family
    }
    return np.array(
        [
            real.individuals.family[i] in families
            for i in individuals.real_individuals[: individuals.n]
        ],
        dtype=bool,
    )


@dataclass(frozen=True)
class _Rows:
    """A haplotype source over some individuals of a panel, missing calls filled in as for every
    other attack.
    """

    panel: Panel
    individuals: np.ndarray

    @property
    def n_variants(self) -> int:
        return len(self.panel.sites)

    @property
    def n_haplotypes(self) -> int:
        return 2 * len(self.individuals)

    def read(self, start: int, stop: int) -> np.ndarray:
        return read_rows(self.panel, self.individuals, start, stop)


def _model_scores(
    loaded: dict[str, HaplotypeGenerator],
    pairs: list[tuple[Panel, Panel]],
    individuals: Comparison,
    seed: int,
) -> dict[str, np.ndarray]:
    """What the models themselves say of individuals, by attack; NaN for those who were not
    scored.
    """
    chosen = np.sort(
        np.random.default_rng(derive_seed(seed, "model")).permutation(individuals.n)[
            :SCORED_INDIVIDUALS
        ]
    )
    rows = np.concatenate([chosen, individuals.n + chosen])
    total: dict[AttackId, np.ndarray] = {}
    for _, real in pairs if loaded else []:
        generator = loaded[real.sites.contig]
        names = [real.individuals.population[i] for i in individuals.real_individuals[rows]]
        population = np.repeat([generator.known_populations[name] for name in names], 2)
        source = _Rows(real, individuals.real_individuals[rows])
        asked = {
            AttackId.GENERATOR_LIKELIHOOD: (generator.has_likelihood, generator.log_likelihood),
            AttackId.GAN_CRITIC: (generator.has_critic, generator.critic_score),
            AttackId.ANCHORS: (generator.tells_frequencies, generator.anchor_score),
        }
        for attack, (can, score) in asked.items():
            if can:
                found = np.full(2 * individuals.n, np.nan)
                found[rows] = score(source, population).reshape(-1, 2).sum(axis=1)
                total[attack] = total.get(attack, 0) + found
    return total
