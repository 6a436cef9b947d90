"""Names of individuals and contigs as every format that is written can hold them."""

import re
from collections.abc import Sequence

from genoloom.errors import InputError

# VCF 4.3, section 1.4.7, https://samtools.github.io/hts-specs/VCFv4.3.pdf
_CONTIG = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")


def without_spaces(names: Sequence[str]) -> list[str]:
    """The names with `_` for white space, which ends a name in FASTA and .psam.

    Those that would be like others get `.2`, `.3` and so on.
    """
    unique = ["_".join(name.split()) for name in names]
    taken, found = set(names), set()
    for i, name in enumerate(unique):
        again = 1
        while unique[i] in found or (unique[i] != names[i] and unique[i] in taken):
            again += 1
            unique[i] = f"{name}.{again}"
        found.add(unique[i])
    return unique


def other_contig_name(name: str) -> str:
    """The name with "chr" before it, or without it where it has that."""
    return name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"


def check_individual_names(source: object, names: Sequence[str]) -> None:
    """Raise an InputError where a name is `0`, which means nobody in PLINK 2."""
    if "0" in names:
        raise InputError(
            source,
            f"sample {names.index('0') + 1} (counted from 1) is called '0', nobody in PLINK files",
            expected="another name",
            remedy="name them anew, one name per line in NAMES: bcftools reheader -s NAMES -o OUT "
                   "IN",
        )  # fmt: skip


def check_contig_name(source: object, name: str) -> None:
    """Raise an InputError unless a VCF header can hold the name of the contig."""
    if not _CONTIG.fullmatch(name):
        raise InputError(
            source,
            f"contig {name!r} has a name that VCF does not allow",
            expected="letters, digits and !#$%&+./:;?@^_|~-",
            remedy="rename it: bcftools annotate --rename-chrs FILE, with the old and the new name "
            "in FILE",
        )
