"""The command line: parse, call a stage, set the exit code. Heavy imports wait until a stage is
called.
"""

import click

from genoloom import __version__
from genoloom.cli import evaluation, haplotypes, medicine, panels, study
from genoloom.cli.options import OrderedGroup, run_and_exit
from genoloom.cli.sequences import sequences

# as `genoloom --help` shows them
GROUPS = {
    "Set up and run": [
        study.init, study.plan, study.doctor, study.run, study.crate, study.verify,
        study.testdata,
    ],
    "Make synthetic haplotypes, step by step": [
        haplotypes.prepare, haplotypes.split, haplotypes.train, haplotypes.cohort,
        haplotypes.redraw,
        haplotypes.generate, haplotypes.consensus,
    ],
    "Make them of public individuals": [panels.panel],
    "Judge them, and release them": [
        evaluation.validate, evaluation.shadow, evaluation.audit, evaluation.release,
        evaluation.report,
    ],
    "Judge the data of any tool": [evaluation.compare],
    "Use a trained model on other data": [haplotypes.score, haplotypes.impute],
    "Personalised medicine": [
        medicine.phenotypes, medicine.star_alleles, medicine.treatment_effects,
        medicine.trial_table, medicine.utility,
    ],
    "DNA sequences": [sequences],
}  # fmt: skip


@click.group(
    cls=OrderedGroup,
    headings=GROUPS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="genoloom")
def genoloom():
    """Synthetic genotypes and DNA sequences, validated by population genetics.

    `genoloom run` runs the whole workflow; every step of it is a command of its own.
    """


def main() -> None:
    run_and_exit(genoloom)
