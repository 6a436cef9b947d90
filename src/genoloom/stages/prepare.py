"""From a genotype file to a panel, with every record accounted for."""

import json
import logging
from pathlib import Path

from genoloom.config import PrepareOptions
from genoloom.formats.atomic import write_beside
from genoloom.formats.pgen import PanelWriter, panel_files
from genoloom.formats.plink_tables import raw_files
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.tables import table_writer
from genoloom.panels.preparation import Preparation, open_preparation
from genoloom.panels.site_filters import Account

log = logging.getLogger(__name__)

REJECTION_COLUMNS = ["contig", "position", "id", "ref", "alt", "reason"]


def prepare(
    *,
    variants: Path,
    contig: str,
    out: Path,
    options: PrepareOptions,
    samples: Path | None = None,
    reference: Path | None = None,
    genetic_map: Path | None = None,
    region: tuple[int, int] | None = None,
) -> None:
    """Write the panel of one contig: `{out}.pgen/.pvar.zst/.psam`, `{out}.rejected.tsv.gz` and
    `{out}.summary.json`.

    Parameters
    ----------
    variants : Path
        VCF, BCF or .pgen; phased.
    out : Path
        Prefix of the files.
    samples : Path, optional
        Sheet of individuals; without it populations and sexes come from a .psam, else unknown.
    reference : Path, optional
        FASTA that REF alleles are compared with.
    genetic_map : Path, optional
        Gives each site its centimorgans.
    region : (start, end), optional
        1-based, both ends included.

    Raises
    ------
    InputError
        Whatever is wrong with the input, with the record and the remedy; nothing is written then.
    """
    making = Making(
        "prepare",
        {**raw_files(variants), "samples": samples, "reference": reference, "map": genetic_map},
    )
    given = open_preparation(variants, contig, options, samples, reference, genetic_map, region)
    account = Account(contig)
    close_directory(out.parent)
    with (
        table_writer(f"{out}.rejected.tsv.gz", REJECTION_COLUMNS) as account.write,
        PanelWriter(out, given.kept, contig, given.contig_length, given.ploidy) as writer,
    ):
        for sites, alleles in given.blocks(account):
            writer.append(sites, alleles)
        account.check()
        given.refuse_nothing(account)
        _write_summary(out, account, given)
    making.write(record_path(out), [*panel_files(out), Path(f"{out}.summary.json")])
    log.info(
        "%s: %d sites of %d records kept, %d rejected",
        contig,
        account.kept,
        account.records,
        sum(account.rejected.values()),
    )


def _write_summary(out: Path, account: Account, given: Preparation) -> None:
    summary = {
        "contig": account.contig,
        "records": account.records,
        "added_by_splitting": account.added_by_splitting,
        "kept": account.kept,
        "rejected": dict(sorted(account.rejected.items())),
        "half_missing_calls_set_missing": account.half_missing_calls,
        "calls_of_a_lone_dot": account.lone_missing_calls,
        "ambiguous_reference_bases": account.ambiguous_reference,
        "ploidy": given.ploidy,
        "heterozygous_calls_of_haploid_individuals": account.haploid_heterozygous,
        "individuals_in_input": len(given.everybody),
        "individuals_in_panel": int(given.keep.sum()),
        "genetic_map": given.points and given.points.account(),
        "reference_checked": given.fasta is not None,
    }
    with write_beside(f"{out}.summary.json") as [part]:
        part.write_text(json.dumps(summary, indent=2) + "\n")
