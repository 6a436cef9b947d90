"""Small files of public and private individuals, and the commands that register and match them."""

from click.testing import CliRunner
from helpers import write_vcf

from genoloom.cli import genoloom
from genoloom.errors import GenoLoomError


def cli(*arguments) -> str:
    """The output of a command; its errors are raised."""
    done = CliRunner().invoke(genoloom, list(map(str, arguments)))
    if isinstance(done.exception, GenoLoomError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def write_raw(folder, alleles, name="public", populations=("A", "B")) -> list:
    """A VCF of contig 20 with its sheet; returns the options that name them."""
    ids = [f"{name}{i}" for i in range(alleles.shape[1] // 2)]
    rows = [
        f"{100 * (v + 1)} A C " + " ".join(f"{a}|{b}" for a, b in row.reshape(-1, 2))
        for v, row in enumerate(alleles)
    ]
    vcf = write_vcf(folder / f"{name}.vcf.gz", rows, ids)
    sheet = folder / f"{name}.tsv"
    lines = [f"{p}\t{populations[i % len(populations)]}\n" for i, p in enumerate(ids)]
    sheet.write_text("individual\tpopulation\n" + "".join(lines))
    return ["--vcf", vcf, "--samples", sheet]


def add(folder, files, name="pub", **more) -> None:
    """Register a panel in `{folder}/panels`."""
    given = {"source": "a project, release 1", "terms": "open", "folder": folder / "panels"} | more
    flags = [x for key, value in given.items() for x in (f"--{key}", value)]
    cli("panel", "add", name, *files, *flags)
