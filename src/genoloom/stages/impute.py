"""Fill in what a file of phased haplotypes lacks: missing calls, and sites of the model that the
file does not have.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom import __version__
from genoloom.errors import InputError
from genoloom.faults import reserve
from genoloom.formats.models import file_digest
from genoloom.formats.names import without_spaces
from genoloom.formats.tables import write_table
from genoloom.formats.vcf_write import VARIANT_SUFFIXES, index_of, write_variants
from genoloom.models.load import load_generator, use_threads
from genoloom.panel import ArrayHaplotypes, Panel
from genoloom.panels.aligned import aligned_panel, population_labels
from genoloom.seeds import row_seeds

log = logging.getLogger(__name__)

COLUMNS = ["individual", "haplotype", "sites_given", "log_likelihood_given"]


def impute(
    *,
    model: Path,
    variants: Path,
    out: Path,
    samples: Path | None = None,
    scores: Path | None = None,
    particles: int = 16,
    seed: int = 1,
    threads: int = 1,
) -> None:
    """Write the individuals of `variants` at the sites of the model, with nothing missing: one draw
    given all that is known.

    Genotypes are the draw (GT) and the posterior mean number of alternate alleles (DS). Outputs
    hold real individuals' data and are closed to others (mode 0600).

    Parameters
    ----------
    variants : Path
        Phased VCF, BCF or .pgen that holds the model's contig. Heterozygous calls without phase
        count as missing.
    out : Path
        .vcf.gz or .bcf.
    samples : Path, optional
        Sheet of individuals, for their populations.
    scores : Path, optional
        Table of the natural-log probability of what was known of each haplotype; that of the rest
        given it is the haplotype's likelihood less this.
    particles : int
        A divisor of 128; more are nearer to the exact conditional distribution, and slower. 1
        ignores what comes later.
    """
    if not str(out).endswith(VARIANT_SUFFIXES):
        raise InputError("--out", f"'{out.name}'", expected="a name that ends in .vcf.gz or .bcf")
    generator, sites, description = load_generator(model)
    use_threads(threads)
    if not generator.scores_blocks:
        raise InputError(
            model,
            f"is a '{description['generator']}', which cannot fill in calls",
            expected="such as a transformer",
        )
    index_of(out, sites)  # what cannot be written is said now
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        panel = aligned_panel(variants, sites, Path(folder) / "aligned")
        population = np.repeat(
            population_labels(samples, panel.individuals, generator, variants), 2
        )
        n_individuals, n = len(panel.individuals), 2 * len(panel.individuals)
        alleles = _on_disk(Path(folder) / "alleles", np.int8, (len(sites), n))
        dosage = _on_disk(Path(folder) / "dosage", np.float32, (len(sites), n_individuals))
        given = np.zeros(n)
        seeds = row_seeds(seed, [str(i) for i in range(n)], "complete", sites.contig)
        done = 0
        for part in generator.impute(panel.haplotypes, population, seeds, particles):
            rows = np.arange(done, done + len(part.alleles))
            alleles[:, rows] = part.alleles.T
            np.add.at(dosage, (slice(None), rows // 2), part.mean.T)
            given[rows] = part.log_likelihood
            done += len(rows)
            log.info("%s: %d of %d haplotypes", sites.contig, done, n)
        for start, stop in generator.overlaps.spans():  # what was known stays as it is
            known = panel.haplotypes.read(start, stop) >= 0
            alleles[start:stop] = generator.overlaps.mended(
                alleles[start:stop], seeds, start, known
            )
        provenance = {
            "version": __version__,
            "generator": description["generator"],
            "model": file_digest(model)[:16],
            "seed": seed,
        }
        named = replace(panel.individuals, id=without_spaces(panel.individuals.id))
        write_variants(out, Panel(sites, named, ArrayHaplotypes(alleles)), provenance, dosage)
        out.chmod(0o600)
        if scores:
            called = sum((block >= 0).sum(axis=0) for _, _, block in panel.blocks())
            rows = [
                {
                    "individual": panel.individuals.id[i // 2],
                    "haplotype": i % 2 + 1,
                    "sites_given": int(called[i]),
                    COLUMNS[3]: float(given[i]),
                }
                for i in range(n)
            ]
            scores.parent.mkdir(parents=True, exist_ok=True)
            write_table(scores, COLUMNS, rows)
            scores.chmod(0o600)


def _on_disk(path: Path, dtype: type, shape: tuple[int, int]) -> np.memmap:
    """An array of zeros in a new file."""
    with open(path, "wb") as handle:
        reserve(handle.fileno(), int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)
