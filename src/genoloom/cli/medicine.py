"""The commands of personalised medicine. Heavy imports wait until a stage is called."""

import click

from genoloom.cli.options import (
    ANY_TOOL,
    PREFIX,
    file_option,
    files_option,
    logged,
    samples_option,
    seed_option,
)


@click.command()
@files_option("--variants", "variants", ANY_TOOL, required=True)
@samples_option("Sheet of these samples: person, population, sex.", several=True)
@file_option("--traits", "Trait sheet (TOML, YAML): draw effects.", required=False)
@file_option("--effects", "Effects (JSON): written with --traits, else taken.")
@click.option("--out", type=PREFIX, required=True, help="Prefix of the tables to write.")
@seed_option
@logged
def phenotypes(**given):
    """Give individuals phenotypes with a known genetic truth: plink2 and REGENIE files.

    \b
    genoloom phenotypes --variants train.bcf --traits traits.toml --effects effects.json --out train
    genoloom phenotypes --variants synthetic.vcf.gz --effects effects.json --out synthetic
    """
    from genoloom.stages.phenotypes import phenotypes as stage

    stage(**given)
