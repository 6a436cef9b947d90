"""The commands around public panels."""

import click

from genoloom import config
from genoloom.cli.options import (
    DIRECTORY,
    FILE,
    PREFIX,
    OrderedGroup,
    as_list,
    file_option,
    logged,
    panels_option,
    reference_option,
    renamed_option,
    samples_option,
    section_options,
)

folder_option = click.option(
    "--folder",
    type=DIRECTORY,
    default="public_panels",
    show_default=True,
    help="Folder of registered panels.",
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
@file_option("--map", "Genetic map.", required=False, name="genetic_map")
@folder_option
@section_options(config.PrepareOptions)
@logged
def panel_add(sections, **given):
    """Register a public panel under NAME: prepared once, with source, terms and digests."""
    from genoloom.stages.public_panels import add_panel

    [options] = sections
    add_panel(options=options, **given)


@panel.command("list")
@folder_option
@logged
def panel_list(folder):
    """List the registered panels."""
    from genoloom.stages.public_panels import list_panels

    for line in list_panels(folder):
        click.echo(line)


@panel.command("show")
@click.argument("name")
@folder_option
@logged
def panel_show(name, folder):
    """Show what is recorded of the panel NAME, and check its files."""
    from genoloom.stages.public_panels import show_panel

    click.echo(show_panel(name, folder))


@panel.command("match")
@click.argument("name")
@panels_option
@click.option("--contig", required=True, help="Contig to write.")
@click.option("--out", type=PREFIX, required=True, help="Prefix of the templates to write.")
@click.option(
    "--populations",
    help="Populations of the public panel that stand for those of the cohort: IBS:TSI,FIN:CEU.",
)
@folder_option
@logged
def panel_match(**given):
    """Match the panel NAME with a cohort: shared sites, frequencies, and nobody of the cohort."""
    from genoloom.stages.public_match import match_panel

    match_panel(**given)
