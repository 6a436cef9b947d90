"""From a model and a cohort sheet to files of synthetic haplotypes."""

import hashlib
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom import __version__
from genoloom.cohort import Cohort
from genoloom.config import GenerateOptions
from genoloom.errors import InputError
from genoloom.faults import reserve
from genoloom.formats.cohort_sheets import read_cohort
from genoloom.formats.drawn_parts import DrawnPart, write_part
from genoloom.formats.pgen import panel_files, write_panel
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.tables import write_table
from genoloom.formats.tracts import write_tracts
from genoloom.formats.vcf_write import VARIANT_SUFFIXES, index_of, write_variants
from genoloom.models.haplotype.admixture import Plan, check_populations, make_plan
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.load import load_generator, use_threads
from genoloom.panel import Panel, Sites
from genoloom.ploidy import Ploidy

log = logging.getLogger(__name__)


def generate(
    *,
    model: Path,
    cohort: Path,
    out: Path,
    options: GenerateOptions,
    seed: int,
    threads: int,
    parts: Sequence[Path] = (),
) -> None:
    """Sample the haplotypes of everybody in the cohort who has the contig, one of who is haploid;
    write `out` with its index, and a PGEN trio next to it.

    A haplotype depends on the model, the individual's row of the sheet and the contig alone, not on
    the shard. Where individuals are admixed, their true ancestry is written to
    `{prefix}.ancestry.bed`, and where they are inbred, `{prefix}.autozygous.bed` says where.

    Parameters
    ----------
    out : Path
        .vcf.gz or .bcf.
    seed : int
        Written into the header; the seeds of the individuals are in the cohort sheet.
    parts : sequence of Path
        What jobs of their own have drawn (`generate_part`), in order and all of them: nothing is
        drawn here then, and the files are the same.
    """
    prefix = next(
        (Path(str(out).removesuffix(s)) for s in VARIANT_SUFFIXES if str(out).endswith(s)), None
    )
    if prefix is None:
        raise InputError("--out", f"'{out.name}'", expected="a name that ends in .vcf.gz or .bcf")
    record = Making("generate", {"model": model, "cohort": cohort})
    asked, plan, generator, sites, description = _asked(model, cohort, out, threads)
    known, individuals = generator.population_names, asked.individuals

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent) as spool:
        label = f"{description['generator']} {sites.contig}"
        if parts:
            haplotypes = _read_parts(parts, record, len(sites), len(plan.seed))
        else:
            bits = _sample(generator, plan, options.shard, spool, label)
            haplotypes = DrawnHaplotypes([bits], len(plan.seed))
        panel = Panel(sites, individuals, haplotypes)
        write_panel(prefix, panel)
        provenance = {
            "version": __version__,
            "generator": description["generator"],
            "model": record.digests["model"][:16],
            "seed": seed,
        }
        index = write_variants(out, panel, provenance)
    tracts = write_tracts(
        prefix, sites, individuals, plan.haploid, plan.true_ancestry(), known, plan.autozygous
    )
    record.write(record_path(prefix), [*panel_files(prefix), out, index, *tracts], seed=seed)


def generate_part(
    *,
    model: Path,
    cohort: Path,
    out: Path,
    part: tuple[int, int],
    options: GenerateOptions,
    seed: int,
    threads: int,
) -> None:
    """Draw one part of the haplotypes that `generate` draws, for `generate` to put together.

    Parameters
    ----------
    out : Path
        .safetensors; bits, no genotype file.
    part : (int, int)
        Which (1-based) of how many; cohorts of fewer than four individuals per part leave some
        empty.
    seed : int
        As of `generate`; nothing here follows from it.
    """
    record = Making("generate", {"model": model, "cohort": cohort})
    _, plan, generator, sites, description = _asked(model, cohort, None, threads)
    low, high = _part_bytes(*part, len(plan.seed))
    out.parent.mkdir(parents=True, exist_ok=True)
    label = f"{description['generator']} {sites.contig} part {part[0]}/{part[1]}"
    with tempfile.TemporaryFile(dir=out.parent) as spool:
        bits = _sample(generator, plan, options.shard, spool, label, 8 * low, 8 * high)
        write_part(out, _made_for(record, *part), bits)


def write_size(*, model: Path, cohort: Path, out: Path) -> None:
    """Table of how many sites and individuals `generate` draws, from which the number of jobs
    follows; nothing is drawn.
    """
    _, sites, _ = load_generator(model)
    asked = having(cohort, read_cohort(cohort), sites)
    size = {"sites": len(sites), "individuals": len(asked.individuals)}
    write_table(out, list(size), [size])


def _asked(
    model: Path, cohort: Path, out: Path | None, threads: int
) -> tuple[Cohort, "Plan", HaplotypeGenerator, Sites, dict]:
    """Who is asked for and what of whom, where `out` can be written."""
    generator, sites, description = load_generator(model)
    use_threads(threads)
    if out is not None:
        index_of(out, sites)  # what cannot be written is said before hours of sampling
    asked = read_cohort(cohort)
    check_populations(cohort, asked, generator)
    asked = having(cohort, asked, sites)
    return asked, make_plan(asked, sites, generator), generator, sites, description


def _part_bytes(number: int, parts: int, n_haplotypes: int) -> tuple[int, int]:
    """The bytes [low, high) of part `number` (1-based) of a row of bits."""
    n_bytes = -(-n_haplotypes // 8)
    return n_bytes * (number - 1) // parts, n_bytes * number // parts


def _made_for(record: Making, number: int, parts: int) -> str:
    """What a part follows from."""
    text = f"{record.digests['model']} {record.digests['cohort']} {number} {parts}"
    return hashlib.sha256(text.encode()).hexdigest()


def _read_parts(
    parts: Sequence[Path], record: Making, n_variants: int, n_haplotypes: int
) -> "DrawnHaplotypes":
    found = []
    for number, path in enumerate(parts, 1):
        low, high = _part_bytes(number, len(parts), n_haplotypes)
        shape = (n_variants, high - low)
        found.append(DrawnPart(path, _made_for(record, number, len(parts)), shape))
    return DrawnHaplotypes(found, n_haplotypes)


def having(path: Path, asked: Cohort, sites: Sites) -> Cohort:
    """The individuals of the cohort who have the contig: males of Y, else everybody.

    Raises
    ------
    InputError
        Nobody has; or it depends on the sex, and somebody's is not known.
    """
    if not sites.ploidy.needs_sex:
        return asked
    sex = asked.individuals.sex
    if "unknown" in sex:
        raise InputError(
            path,
            f"somebody's sex is unknown, and contig {sites.contig} is {sites.ploidy}",
            expected="male or female in the column sex",
        )
    if sites.ploidy is not Ploidy.Y_LINKED:
        return asked
    males = np.flatnonzero(sites.ploidy.haploid(sex))
    if len(males) == 0:
        raise InputError(
            path,
            f"nobody is male, and contig {sites.contig} is {sites.ploidy}",
            remedy="give `genoloom cohort --female` a share below 1, or leave the contig out",
        )
    return asked.take(males)


@dataclass(frozen=True)
class DrawnHaplotypes:
    """A haplotype source over bits on disk, next to each other: arrays of shape (n_variants,
    n_bytes), or parts of files.
    """

    bits: Sequence[np.memmap | DrawnPart]
    n_haplotypes: int

    @property
    def n_variants(self) -> int:
        return len(self.bits[0])

    def read(self, start: int, stop: int) -> np.ndarray:
        rows = [
            part.read(start, stop) if isinstance(part, DrawnPart) else part[start:stop]
            for part in self.bits
        ]
        joined = np.concatenate(rows, axis=1)
        return np.unpackbits(joined, axis=1, count=self.n_haplotypes).view(np.int8)


def _sample(
    generator: HaplotypeGenerator,
    plan: Plan,
    shard: int,
    spool,
    label: str,
    first: int = 0,
    stop: int | None = None,
) -> np.ndarray:
    """Sample the haplotypes [first, stop), by default all, `shard` individuals at a time into
    `spool`, one bit per allele; returns the bits, uint8 (n_variants, n_bytes). `first` is a
    multiple of 8.
    """
    stop = len(plan.seed) if stop is None else min(stop, len(plan.seed))
    n, n_bytes = stop - first, -(-(stop - first) // 8)
    if n <= 0:
        return np.empty((generator.n_variants, 0), dtype=np.uint8)
    per_shard = 8 * -(-2 * shard // 8)  # shards begin at whole bytes
    reserve(spool.fileno(), generator.n_variants * n_bytes)
    bits = np.memmap(spool, dtype=np.uint8, mode="w+", shape=(generator.n_variants, n_bytes))
    started = time.monotonic()
    for low in range(0, n, per_shard):
        done, at = min(low + per_shard, n), 0
        for alleles in plan.sample(generator, first + low, first + done):
            packed = np.packbits(alleles, axis=1)
            bits[at : at + len(alleles), low // 8 : low // 8 + packed.shape[1]] = packed
            at += len(alleles)
        rate = done * generator.n_variants / max(time.monotonic() - started, 1e-9)
        log.info("%s: %d of %d haplotypes, %.2g alleles/s", label, done, n, rate)
    if len(generator.overlaps.pairs):
        log.info(
            "%s: %d alternate alleles taken out that overlap others of their haplotype",
            label,
            generator.overlaps.taken_out,
        )
    return bits
