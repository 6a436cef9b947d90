"""The commands around public panels."""

from typing import get_args

import click

from genoloom import config
from genoloom.cli.options import (
    DIRECTORY,
    FILE,
    PREFIX,
    OrderedGroup,
    as_list,
    calls,
    default_option,
    file_option,
    files_option,
    logged,
    models_option,
    optional_file,
    panels_option,
    reference_option,
    renamed_option,
    samples_option,
    section_options,
    seed_option,
    split_option,
)
from genoloom.privacy_config import Compared

folder_option = default_option(
    "--folder", type=DIRECTORY, default="public_panels", help="Folder of registered panels."
)

COMPARED = get_args(Compared)


templates_option = click.option(
    "--templates",
    type=PREFIX,
    multiple=True,
    required=True,
    callback=as_list,
    help="Templates of `genoloom panel match`, a prefix for each contig. Repeat.",
)
populations_option = click.option(
    "--populations",
    help="Populations of the public panel that represent the cohort's: IBS:TSI,FIN:CEU.",
)


@click.group(cls=OrderedGroup)
def panel():
    """Register public panels, and match one with a cohort."""


@panel.command("add")
@click.argument("name")
@renamed_option(
    "--variants",
    "--vcf",
    "variants",
    type=FILE,
    multiple=True,
    required=True,
    callback=as_list,
    help="Phased VCF(.gz), BCF or PLINK 2 .pgen of public individuals. Repeat.",
)
@samples_option(
    "Sheet of samples: individual, population, sex, family.", required=True, name="samples"
)
@click.option("--source", required=True, help="Where the data come from: project, version, link.")
@click.option("--terms", required=True, help="Terms under which the data may be used and shared.")
@click.option(
    "--contig",
    "contigs",
    multiple=True,
    callback=as_list,
    help="Contig to take, as named in the file. Repeat; [default: all]",
)
@reference_option("FASTA to check REF against.", required=False)
@optional_file("--map", "Genetic map.", name="genetic_map")
@folder_option
@section_options(options=config.PrepareOptions)
@calls("pipelines.public_panels:add_panel")
def panel_add():
    """Register a public panel under NAME: prepared once, with source, terms and digests."""


@panel.command("list")
@folder_option
@logged
def panel_list(folder):
    """List the registered panels."""
    from genoloom.pipelines.public_panels import list_panels

    for line in list_panels(folder):
        click.echo(line)


@panel.command("show")
@click.argument("name")
@folder_option
@logged
def panel_show(name, folder):
    """Show what is recorded of the panel NAME, and check its files."""
    from genoloom.pipelines.public_panels import show_panel

    click.echo(show_panel(name, folder))


@panel.command("match")
@click.argument("name")
@panels_option
@click.option("--contig", required=True, help="Contig to write.")
@click.option("--out", type=PREFIX, required=True, help="Prefix of the templates to write.")
@populations_option
@folder_option
@calls("stages.public_match:match_panel")
def panel_match():
    """Match the panel NAME with a cohort: shared sites, frequencies, and nobody of the cohort."""


@panel.command("measure")
@panels_option
@templates_option
@split_option
@file_option("--out", "Statistics to write (.safetensors).")
@file_option("--budget", "Budget of the cohort; the key of the noise is kept next to it.")
@populations_option
@click.option(
    "--epsilon",
    type=click.FloatRange(0, min_open=True),
    help="Of all measurements of the cohort together; without it, counts without noise and without "
    "any guarantee.",
)
@click.option("--delta", type=click.FloatRange(0, 1, True, True), default=1e-5, show_default=True)
@default_option(
    "--noise",
    type=click.Choice(["secret", "seed"]),
    default="secret",
    help="seed: for tests; no release takes it.",
)
@seed_option
@calls("stages.cohort_statistics:measure_cohort")
def panel_measure():
    """Measure a cohort against templates, with noise: all that mode statistics knows of it."""


@panel.command("compare")
@files_option(
    "--synthetic",
    "synthetic",
    "Prefix of the synthetic individuals (PGEN), one for each contig. Repeat.",
    PREFIX,
    required=True,
)
@panels_option
@split_option
@templates_option
@models_option
@file_option("--out", "Fidelity table to write.")
@file_option("--public", "Table of attacks to write.")
@click.option(
    "--row",
    "rows",
    multiple=True,
    default=COMPARED,
    type=click.Choice(COMPARED),
    callback=as_list,
    help="What to judge. Repeat; [default: all]",
)
@populations_option
@optional_file("--reference-values", "reference_values.json of the synthetic individuals.")
@seed_option
@section_options(validate_options=config.ValidateOptions, audit_options=config.AuditOptions)
@calls("pipelines.public_comparison:compare_public")
def panel_compare():
    """Judge what a report shows next to data of a privacy mode: public individuals as if they were
    synthetic, mosaics of them, and the same network with the cohort's own haplotypes.
    """
