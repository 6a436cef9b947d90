"""Small genotype files that are damaged or unusual, with what `genoloom prepare` does with each.

Nothing in them is data of anybody.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

from genoloom.formats.tables import write_table

COLUMNS = ["file", "fault", "contig", "exit_code", "says"]
SAMPLES = [f"TEST{i}" for i in range(1, 7)]
GOOD = ["0|1", "1|0", "0|0", "1|1", "0|1", "0|0"]
HEAD = (
    '##fileformat=VCFv4.2\n##FILTER=<ID=q10,Description="Quality below 10">\n'
    "##contig=<ID=20,length=100000>\n##contig=<ID=X,length=155270560>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
)


@dataclass(frozen=True)
class Hostile:
    """A file: its rows, or its bytes; what is wrong, and the exit code and words of `prepare`.

    Where the exit code is 0, `says` is the reason with which the record is rejected, or empty where
    it is kept.
    """

    name: str
    fault: str
    exit_code: int
    says: str
    content: bytes
    contig: str = "20"


def _vcf(*rows: str, samples: list[str] | None = None) -> bytes:
    """A VCF of rows such as "20 100 A C PASS GT 0|1 ...", after one good record."""
    good = " ".join(["20 50 A C PASS GT", *GOOD])
    lines = []
    for row in (good, *rows):
        contig, position, ref, alt, found, form, *calls = row.split()
        cells = [contig, position, ".", ref, alt, ".", found, ".", form, *calls]
        lines.append("\t".join(cells) + "\n")
    return (HEAD + "\t".join(samples or SAMPLES) + "\n" + "".join(lines)).encode()


def _row(text: str, calls: list[str] | None = None) -> str:
    return " ".join([text, *(calls or GOOD)])


def hostile_files() -> list[Hostile]:
    """All of them."""
    whole = _vcf(_row("20 100 A C PASS GT"))
    other = [GOOD[0], "1|0", "0|0", "1|1", "0|1", "0"]
    unphased = ["0/1", *GOOD[1:]]
    sets = [f"{call}:{1 if i else 2}" for i, call in enumerate(GOOD)]
    before = [f"{call}:1" for call in GOOD]
    return [
        Hostile("alt_is_ref.vcf", "ALT equals REF", 0, "ALT is REF",
                _vcf(_row("20 100 A A PASS GT"))),
        Hostile("symbolic.vcf", "a symbolic allele", 0, "symbolic or * allele",
                _vcf(_row("20 100 A <DEL> PASS GT"))),
        Hostile("duplicate_record.vcf", "a record twice", 0, "duplicate site",
                _vcf(_row("20 100 A C PASS GT"), _row("20 100 a c PASS GT"))),
        Hostile("filtered.vcf", "FILTER is not PASS", 0, "FILTER q10",
                _vcf(_row("20 100 A C q10 GT"))),
        Hostile("position_0.vcf", "position 0", 0, "position 0",
                _vcf().replace(b"20\t50\t", b"20\t0\t") + b"20\t50\t.\tA\tC\t.\tPASS\t.\tGT\t"
                + "\t".join(GOOD).encode() + b"\n"),
        Hostile("lone_dot.vcf", "missing calls as a lone dot", 0, "too many missing calls",
                _vcf(_row("20 100 A C PASS GT", ["."] * 6))),
        Hostile("multiallelic.vcf", "two alternate alleles", 0, "",
                _vcf(_row("20 100 A C,G PASS GT", ["1|2", "2|1", "0|1", "1|1", "2|2", "0|0"]))),
        Hostile("unsorted.vcf", "records out of order", 2, "20:40 comes after 20:50",
                _vcf(_row("20 40 A C PASS GT"))),
        Hostile("unphased.vcf", "a heterozygous call without phase", 2, "are not phased",
                _vcf(_row("20 100 A C PASS GT", unphased))),
        Hostile("phase_sets.vcf", "two phase sets of one individual", 2, "phase set",
                _vcf(_row("20 100 A C PASS GT:PS", before), _row("20 200 A C PASS GT:PS", sets))),
        Hostile("tetraploid.vcf", "calls of four alleles", 2, "ploidy 4",
                _vcf(_row("20 100 A C PASS GT", ["0|1|0|1"] * 6))),
        Hostile("haploid_on_an_autosome.vcf", "a haploid call", 2, "haploid calls",
                _vcf(_row("20 100 A C PASS GT", other))),
        Hostile("allele_out_of_range.vcf", "a genotype names an allele that is not there", 2,
                "has the allele 3", _vcf(_row("20 100 A C PASS GT", ["0|3", *GOOD[1:]]))),
        Hostile("after_the_contig.vcf", "a record after the end of its contig", 2,
                "after the end of the contig", _vcf(_row("20 100001 A C PASS GT"))),
        Hostile("duplicate_sample.vcf", "a sample twice", 2, "have the same name",
                _vcf(samples=[*SAMPLES[:5], SAMPLES[0]])),
        Hostile("sample_0.vcf", "a sample named 0", 2, "0", _vcf(samples=["0", *SAMPLES[1:]])),
        Hostile("latin1_sample.vcf", "a name in Latin-1", 2, "UTF-8",
                whole.replace(b"TEST1", "TEST\xe9".encode("latin-1"))),
        Hostile("header_only.vcf", "no record", 2, "20", _vcf()[: _vcf().rindex(b"20\t50")]),
        Hostile("x_without_sexes.vcf", "chromosome X without sexes", 2, "the sex of",
                _vcf(_row("X 3000000 A C PASS GT", ["0", *GOOD[1:]])), "X"),
        Hostile("web_page.vcf.gz", "a web page named as a VCF", 2, "",
                b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n"),
        Hostile("truncated.vcf.gz", "gzip that ends too soon", 2, "truncated or damaged",
                gzip.compress(whole, mtime=0)[:-40]),
    ]  # fmt: skip


def write_hostile(folder: Path) -> None:
    """Write the files and `expected.tsv`."""
    folder.mkdir()
    rows = []
    for file in hostile_files():
        (folder / file.name).write_bytes(file.content)
        rows.append(
            {name: file.name if name == "file" else getattr(file, name) for name in COLUMNS}
        )
    write_table(folder / "expected.tsv", COLUMNS, rows)
