"""The commands of personalised medicine. Heavy imports wait until a stage is called."""

import click

from genoloom.cli_options import ANY_TOOL, FILE, PREFIX, file_option, logged, seed_option


@click.command()
@click.option("--variants", type=FILE, multiple=True, required=True, help=ANY_TOOL)
@click.option("--people", type=FILE, multiple=True, help="Sheet: person, population, sex. Repeat.")
@file_option("--traits", "Trait sheet (TOML, YAML): draw effects.", required=False)
@file_option("--effects", "Effects (JSON): written with --traits, else taken.")
@click.option("--out", type=PREFIX, required=True, help="Prefix of the tables to write.")
@seed_option
@logged
def phenotypes(variants, people, traits, effects, out, seed):
    """Give individuals phenotypes with a known genetic truth: plink2 and REGENIE files.

    \b
    genoloom phenotypes --variants train.bcf --traits traits.toml --effects effects.json --out train
    genoloom phenotypes --variants synthetic.vcf.gz --effects effects.json --out synthetic
    """
    from genoloom.stages.phenotypes import phenotypes as stage

    stage(
        variants=list(variants), people=list(people), traits=traits, effects=effects, out=out,
        seed=seed,
    )  # fmt: skip


MEDICINE_COMMANDS = (phenotypes,)
