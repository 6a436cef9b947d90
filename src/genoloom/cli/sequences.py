"""The commands of the sequence half: `genoloom sequences ...`. Heavy imports wait until a stage is
called.
"""

import click

from genoloom.cli.options import (
    DIRECTORY,
    OrderedGroup,
    baselines_option,
    bundle_option,
    calls,
    details_option,
    file_option,
    history_option,
    model_option,
    name_option,
    optional_file,
    reference_option,
    results_option,
    section_options,
    seed_option,
    state_option,
    threads_option,
)
from genoloom.config_section import Section
from genoloom.privacy_config import ReleaseOptions
from genoloom.sequence_config import (
    AuditSequencesOptions,
    GenerateSequencesOptions,
    InfillOptions,
    SequenceOptions,
    SequenceTrainSections,
    ValidateSequencesOptions,
)
from genoloom.training_config import TrainOptions


@click.group(cls=OrderedGroup)
def sequences():
    """Prepare, train, generate, validate, audit and release sequences, for synthetic DNA."""


@sequences.command("prepare")
@file_option("--source", "FASTA, labelled FASTA, CSV/TSV or one sequence per line.")
@optional_file("--regions", "BED of intervals of a FASTA source, with label and strand.")
@click.option("--out", type=DIRECTORY, required=True, help="Directory of the set.")
@seed_option
@section_options(options=SequenceOptions)
@calls("stages.prepare_sequences:prepare_sequences")
def sequences_prepare():
    """Cut windows and split them so that no homologous pair is on both sides."""


@sequences.group("train", cls=OrderedGroup)
def sequences_train():
    """Train a sequence generator, each generator by a command of its own."""


def _add_sequences_train(name: str, options_class: type[Section]) -> None:
    @sequences_train.command(name, help=options_class.__doc__)
    @file_option("--train", "Training sequences (FASTA).")
    @model_option
    @history_option
    @state_option
    @seed_option
    @threads_option
    @section_options(common=TrainOptions, options=options_class)
    @calls("stages.train_sequences:train_sequences", generator=name)
    def command():
        pass


for _name, _field in SequenceTrainSections.model_fields.items():
    _add_sequences_train(_name, _field.annotation)


@sequences.command("generate")
@model_option
@file_option("--out", "FASTA to write (.fa.gz).")
@seed_option
@threads_option
@section_options(options=GenerateSequencesOptions)
@calls("stages.generate_sequences:generate_sequences")
def sequences_generate():
    """Sample sequences to FASTA."""


@sequences.command("validate")
@name_option
@file_option("--synthetic", "Synthetic FASTA.")
@optional_file(
    "--train",
    "Training: real sequences that the generator learned from; without them halves of --holdout "
    "are compared.",
)
@file_option("--holdout", "Holdout: real sequences that the generator was not trained on.")
@optional_file("--model", "Model, for bits per base.")
@baselines_option
@file_option("--out", "Table to write.")
@details_option
@seed_option
@section_options(options=ValidateSequencesOptions)
@calls("stages.validate_sequences:validate_sequences")
def sequences_validate():
    """Compare synthetic sequences with held-out real ones."""


@sequences.command("audit")
@name_option
@file_option("--synthetic", "Synthetic FASTA.")
@file_option("--train", "Training: real sequences that the generator learned from.")
@file_option("--holdout", "Holdout: real sequences that the generator was not trained on.")
@optional_file("--model", "Model, for the attack by likelihood.")
@baselines_option
@file_option("--out", "Private table to write; its directory is closed to others.")
@optional_file("--public", "Table of verdicts and intervals that may be shown.")
@seed_option
@section_options(options=AuditSequencesOptions)
@calls("stages.audit_sequences:audit_sequences")
def sequences_audit():
    """Measure what synthetic sequences reveal about the sequences the model was trained on."""


@sequences.command("release")
@results_option
@click.option("--sequence-set", required=True, help="Sequence set, by name.")
@click.option("--generator", required=True, help="Generator, by name.")
@bundle_option
@section_options(options=ReleaseOptions)
@calls("stages.release_sequences:release_sequences")
def sequences_release():
    """Bundle synthetic sequences when the gate passes; else list every reason and exit with 3."""


@sequences.command("infill")
@model_option
@file_option(
    "--source", "Sequences with runs of N (FASTA, CSV/TSV or text).", name="fasta", former="--fasta"
)
@file_option("--out", "FASTA to write; filled bases in lower case.")
@seed_option
@threads_option
@section_options(options=InfillOptions)
@calls("stages.infill:infill")
def sequences_infill():
    """Fill runs of N given the bases on both sides."""


@sequences.command("score")
@model_option
@file_option("--variants", "VCF(.gz) or BCF.", name="vcf", former="--vcf")
@reference_option("Reference of the variants.", name="fasta")
@file_option(
    "--out", "VCF(.gz) or BCF to write, with the log-likelihood ratio ALT/REF in INFO/GLLR."
)
@optional_file(
    "--report",
    "JSON to write: agreement with the allele frequency, next to the chains and 6-mer counts.",
)
@click.option(
    "--window",
    type=click.IntRange(min=20),
    help="Bases around a variant; the longest training length by default.",
)
@threads_option
@calls("stages.score_variants:score_variants")
def sequences_score():
    """Score variants by the likelihood of their windows, averaged over both strands."""
