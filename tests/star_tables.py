"""Write the tables of star alleles in the package from those of pypgx (MIT licence):

python tests/star_tables.py SITE_PACKAGES/pypgx
"""

import csv
import sys
from pathlib import Path

PLACE = Path(__file__).parents[1] / "src" / "genoloom" / "treatment"
# with a phenotype in pypgx and without copy numbers; and some more of clinical use. Of CFTR a
# phenotype does not follow from functions.
GENES = (
    "ABCG2", "CACNA1S", "CYP2C8", "CYP2C9", "CYP2C19", "CYP3A4", "CYP3A5", "CYP4F2", "DPYD", "F5",
    "IFNL3", "NAT2", "NUDT15", "RYR1", "SLCO1B1", "TPMT", "UGT1A1", "VKORC1",
)  # fmt: skip


def read(folder: Path, name: str) -> list[dict]:
    with open(folder / "api" / "data" / f"{name}-table.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def tables(folder: Path) -> dict[str, str]:
    """Text of each table, by file name."""
    genes = {row["Gene"]: row for row in read(folder, "gene")}
    impact = {}
    for row in read(folder, "variant"):
        for build in ("GRCh37", "GRCh38"):
            impact[row[f"{build}Name"]] = row["Impact"] not in ("", "N/A")
    alleles = [
        row for row in read(folder, "allele") if row["Gene"] in GENES and row["SV"] == "FALSE"
    ]
    paired = {
        (row["Gene"], own)
        for row in read(folder, "diplotype")
        for own in row["Diplotype"].split("/")
    }
    lines = ["gene\tallele\tfunction\tscore\tnotes\tGRCh37\tGRCh38"]
    for row in alleles:
        gene = genes[row["Gene"]]
        own = row["StarAllele"]
        notes = [build for build in ("GRCh37", "GRCh38") if gene[f"{build}Default"] == own]
        notes += ["reference"] if gene["RefAllele"] == own else []
        if gene["PhenotypeMethod"] == "Diplotype" and (row["Gene"], own) not in paired:
            notes.append("unpaired")
        cells = [row["Gene"], own, row["Function"], row["ActivityScore"], ",".join(notes)]
        for build in ("GRCh37", "GRCh38"):
            core = row[f"{build}Core"].split(",") if row[f"{build}Core"] != "N/A" else []
            cells.append(",".join(f"{v}{'!' if impact[v] else ''}" for v in core))
        lines.append("\t".join("" if cell == "N/A" else cell for cell in cells))
    function = {(row["Gene"], row["StarAllele"]): row["Function"] for row in alleles}
    found: dict[tuple, str] = {}
    for row in read(folder, "diplotype"):
        pair = [(row["Gene"], own) for own in row["Diplotype"].split("/")]
        if all(own in function for own in pair):
            key = (row["Gene"], *sorted(function[own] for own in pair))
            if found.setdefault(key, row["Phenotype"]) != row["Phenotype"]:
                raise ValueError(f"{key}: the phenotype does not follow from the functions")
    pairs = ["gene\tfunctions\tphenotype"]
    pairs += [f"{gene}\t{one}/{other}\t{p}" for (gene, one, other), p in sorted(found.items())]
    return {
        "star_alleles.tsv": "\n".join(lines) + "\n",
        "star_phenotypes.tsv": "\n".join(pairs) + "\n",
    }


if __name__ == "__main__":
    for name, text in tables(Path(sys.argv[1])).items():
        (PLACE / name).write_text(text)
