"""What became of the sites of compared files, in numbers, in the log and in errors."""

import logging
from collections import Counter

from genoloom.errors import InputError
from genoloom.panels.genotypes import GenotypeFiles

log = logging.getLogger(__name__)


def count_sites(files: GenotypeFiles, counts: Counter | None = None) -> dict:
    """What became of the sites of one side."""
    account = {
        "sites": files.n_sites,
        "unphased_calls": files.unphased,
        "unusable_records": dict(sorted(files.unusable.items())),
    }
    if counts is not None:
        elsewhere = files.n_sites - sum(
            counts[k] for k in ("matched", "other alleles", "duplicate")
        )
        account |= {
            "in_training_file": counts["matched"], "of_these_alleles_swapped": counts["swapped"],
            "other_alleles": counts["other alleles"],
            "of_these_fit_the_other_strand": counts["other strand"],
            "duplicates": counts["duplicate"], "other_positions": elsewhere,
        }  # fmt: skip
    return account


def log_account(account: dict, label: str) -> None:
    """Log what became of the sites of each side."""
    for role, name in (("train", "training"), ("holdout", "holdout"), ("synthetic", label)):
        own = account[role]
        said = {f"records unusable ({reason})": n for reason, n in own["unusable_records"].items()}
        if "in_training_file" in own:
            said |= {
                "sites at positions that the training files have not": own["other_positions"],
                "with other alleles there": own["other_alleles"],
                "of these would fit the other strand": own["of_these_fit_the_other_strand"],
                "duplicates": own["duplicates"],
                "matched with REF and ALT swapped": own["of_these_alleles_swapped"],
                "sites of the training files missing": account["train"]["sites"]
                - own["in_training_file"],
            }
        log.info(
            "%s: %d sites; %s",
            name,
            own["sites"],
            ", ".join(f"{n} {what}" for what, n in said.items() if n) or "all usable",
        )
    log.info("%s: compared at %d sites", label, account["compared"])
    fewest = min(account[role]["sites"] for role in ("train", "holdout", "synthetic"))
    if 0 < account["compared"] < fewest / 2:
        log.warning(
            "%s: less than half of the sites are shared; the result speaks for those only", label
        )


def nothing_matches(
    train: GenotypeFiles, holdout: GenotypeFiles, synthetic: GenotypeFiles, account: dict
) -> InputError:
    """The error of files without a common site."""
    contigs = {files.label: set(files.panels) for files in (train, holdout, synthetic)}
    if not set.intersection(*contigs.values()):
        named = "; ".join(
            f"{label}: {', '.join(sorted(names)[:5])}" for label, names in contigs.items()
        )
        return InputError(
            synthetic.label,
            f"no contig is in all three ({named})",
            remedy="rename: bcftools annotate --rename-chrs",
        )
    flipped = sum(
        account[label]["of_these_fit_the_other_strand"] for label in ("holdout", "synthetic")
    )
    why = (
        "alleles fit the other strand: bcftools +fixref"
        if flipped
        else "check that all files are of the same genome build"
    )
    return InputError(
        synthetic.label,
        "no site is in all three",
        expected="the same positions and alleles",
        remedy=why,
    )
