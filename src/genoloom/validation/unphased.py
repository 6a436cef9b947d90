"""What remains of the attacks when phase is not known: those that are functions of genotypes.

Unphased calls reach the attacks with their alleles in ascending order, so every figure is a function of genotypes, for
real and synthetic people alike. Distances and neighbours keep their meaning: they then compare genotypes (see
`panel.UnphasedHaplotypes`). All others say `not run`, and so does one that nobody has listed yet: an unlisted name must not
pass silently. The metrics say themselves which of them need phase, in `metric_table`.
"""

from genoloom.validation.verdicts import worst

GENOTYPE_ATTACKS = ("nearest, ", "privacy loss (AATS)")  # names begin so
_LABELS = ("row", "kind", "metric", "attack", "population", "bin", "measure", "n")


def genotype_attacks(rows: list[dict]) -> list[dict]:
    """Rows of a privacy table in which figures that need phase are `not run`; the worst attack is chosen anew among those that ran."""
    judged = [row if row["attack"].startswith((*GENOTYPE_ATTACKS, "worst")) else _not_run(row) for row in rows]
    overall = [row for row in judged if row["population"] == "all" and row["attack"] != "worst"]
    ran = [row for row in overall if row["verdict"] != "not run" and row["measure"] == "auc"]
    strongest = max(ran, key=lambda row: row["value"])
    verdict = worst([row["verdict"] for row in overall if row in ran or row["verdict"] == "not run"])
    return [{**strongest, "attack": "worst", "verdict": verdict} if row["attack"] == "worst" else row for row in judged]


def _not_run(row: dict) -> dict:
    return {key: row[key] for key in _LABELS if key in row} | {"verdict": "not run"}
