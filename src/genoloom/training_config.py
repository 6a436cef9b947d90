"""The sections of the configuration that are about training: what all models share, and each
haplotype generator.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from genoloom.config_section import (
    Section,
    Share,
    heads_divide_width,
    learning_rate_field,
    patience_field,
)

# fields of several generators
MINUTES = Field(
    None,
    gt=0,
    description="Length of the schedule in minutes, in place of steps: as many as fit, by the pace "
    "of the first ones. The result then depends on the machine; a resumed training keeps its "
    "schedule.",
)
BLOCK_SIZE = Field(
    None,
    ge=4,
    le=128,
    description="Sites per token; null takes the longest of 32, 16, 8 and 4 whose tokens cover"
    " the cohort: 32 where sites are linked.",
)
EVALUATE_EVERY = Field(
    None,
    ge=1,
    description="Steps between evaluations on the validation set; null evaluates twenty times.",
)
ANCHOR = (
    "Draw the tokens of each block at the frequencies that they have among the training haplotypes "
    "of the population."
)


def _in_place_of_steps(minutes: float | None, info: ValidationInfo) -> float | None:
    if minutes is not None and info.data.get("steps") is not None:
        raise ValueError("steps are given too: a schedule has a length in steps or in minutes")
    return minutes


class TrainOptions(Section):
    """What all trained models share."""

    device: str = Field(
        "auto",
        description="'auto' takes a GPU where a job finds one, but asks no scheduler for it; "
        "'cuda' or 'cuda:1' asks for one; or 'cpu'.",
    )
    min_mac: int = Field(
        2,
        ge=1,
        description="Smallest minor allele count, in copies among the training individuals, of a "
        "site that is modelled; the other sites are counted.",
    )
    min_carriers: int = Field(
        1,
        ge=1,
        description="Smallest number of training individuals who carry the minor allele of a site "
        "that is modelled. A release asks for 5. Give min_mac too.",
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.1,
        description="Share of the training individuals in the validation set, which decides when "
        "training stops and which model is kept; the holdout is never looked at.",
    )
    processes: int = Field(
        1,
        ge=1,
        description="Processes that share each batch of a transformer, each with a core or a GPU; "
        "other generators train in one.",
    )
    time_limit_minutes: float | None = Field(
        None,
        gt=0,
        description="Stop training, save and exit with code 75 after this time; a rerun continues."
        " For batch systems.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_an_earlier_version(cls, values: object) -> object:
        """`min_carriers` was the name of `min_mac` once: alone it may mean either."""
        if isinstance(values, dict) and "min_carriers" in values and "min_mac" not in values:
            raise ValueError(
                "min_carriers without min_mac: in an earlier version min_carriers counted copies, "
                "which is min_mac now, and fewest_people counted individuals, which is "
                "min_carriers now; give both keys"
            )
        return values


class IndependentOptions(Section):
    """Each site on its own: allele frequencies by population. A lower bound."""

    shrinkage: float = Field(
        2.0,
        gt=0,
        description="Weight, in haplotypes, of the frequency over all populations in the frequency"
        " of each population.",
    )


class MarkovOptions(Section):
    """Markov chain over the preceding alleles, of unbounded order: contexts of growing length,
    mixed.
    """

    order: int | None = Field(
        None, ge=1, description="Longest context, in sites; null sets no bound."
    )


class MosaicOptions(Section):
    """Copies pieces of training haplotypes of one population, switching along the genetic map."""

    segment_cm: float = Field(
        0.1, gt=0, description="Mean length of a copied piece, in centimorgans."
    )
    mutation_rate: Share = Field(0.0, description="Chance that a copied allele is mutated.")


class MatchedMosaicOptions(Section):
    """Copies training haplotypes of one population, crossing over only to others that are equal on
    the preceding sites.
    """

    segment_cm: float = Field(
        0.05, gt=0, description="Mean distance between crossovers, in centimorgans."
    )
    match: int = Field(
        100,
        ge=1,
        le=4096,
        description="Preceding sites on which both haplotypes must agree, rounded up to a multiple"
        " of eight.",
    )
    match_cm: float = Field(
        0.0, ge=0, description="Preceding centimorgans on which they must agree as well."
    )


class HmmOptions(Section):
    """Founder hidden Markov model: haplotypes as mosaics of clusters, fitted by expectation
    maximisation.
    """

    steps: int = Field(
        30, ge=1, description="Maximum number of iterations, each over all training haplotypes."
    )
    clusters: int | None = Field(
        None,
        ge=1,
        le=800,
        description="Clusters; null takes one per six training haplotypes, at most 400.",
    )
    block_size: int = Field(
        8, ge=1, le=64, description="Sites between possible jumps; 1 allows them everywhere."
    )
    pseudo_count: float = Field(
        0.03,
        gt=0,
        description="Weight, in haplotypes, of a site's overall frequency in the frequency of each"
        " cluster.",
    )
    patience: int | None = Field(
        2,
        ge=1,
        description="Stop after this many iterations without improvement; null never stops early.",
    )


class LiStephensOptions(Section):
    """Imperfect mosaic of all training haplotypes, with exact likelihood: the reference. Its three
    numbers are fitted.
    """

    populations: bool = Field(
        True,
        description="Whether templates of the haplotype's own population have a larger weight; "
        "false gives all the same weight.",
    )
    fit_haplotypes: int = Field(
        60, ge=1, description="Haplotypes of the validation set that the numbers are fitted to."
    )
    fit_sites: int = Field(
        2000,
        ge=1,
        description="Sites, in the middle of the contig, that the numbers are fitted to.",
    )


class TransformerOptions(Section):
    """Causal transformer over blocks of neighbouring sites, with exact likelihood."""

    init_from: str | None = Field(
        None,
        description="Model (.safetensors) of another panel to adapt; '{contig}' in it becomes the "
        "contig. Block, context, tokens, width, layers and heads are then its own, sites that it "
        "lacks are not modelled, and the learning rate is 0.3 of the one below.",
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="Optimiser steps of the schedule; null takes 28 epochs, "
        "fewer below 1000 haplotypes (14 at 250), and at most 8000 steps.",
    )
    minutes: float | None = MINUTES
    batch: int = Field(32, ge=1, description="Haplotypes per step.")
    block_size: int | None = BLOCK_SIZE
    context: int = Field(
        64,
        ge=4,
        le=4096,
        description="Blocks of context; memory and time per site do not grow with the length of "
        "the contig.",
    )
    window: int | None = Field(
        None,
        ge=64,
        description="Sites of a window: a contig longer than one and a half is trained window by "
        "window, each with its own steps and, in the workflow, its own job. null "
        "trains every contig whole. 16384 suits chromosomes.",
    )
    overlap: int | None = Field(
        None,
        ge=0,
        description="Sites in which windows overlap, rounded up to blocks; drawing continues from "
        "there across the boundary. null takes half the context.",
    )
    vocabulary_size: int = Field(
        64,
        ge=2,
        le=1024,
        description="Distinct training blocks kept per token; others are drawn as mutations of "
        "them.",
    )
    min_token_carriers: int = Field(
        2,
        ge=1,
        description="Training haplotypes that must share a block for it to be a token; with 1, a "
        "token can be the block of one individual. Rarer blocks are learned from as "
        "crossovers and mutations of tokens.",
    )
    width: int = Field(
        64,
        ge=16,
        le=4096,
        description="Model width; a multiple of twice the heads. 128 suits cohorts of thousands.",
    )
    layers: int = Field(3, ge=1, le=64, description="Transformer layers.")
    heads: int = Field(4, ge=1, validate_default=True, description="Attention heads.")
    dropout: Share = Field(0.1, description="Dropout; raise it for small cohorts.")
    learning_rate: float = learning_rate_field(2e-3)
    augmentation_fraction: Share = Field(
        0.5,
        description="Fraction of each batch that is matched crossovers between training "
        "haplotypes, as augmentation.",
    )
    temperature: float | None = Field(
        None,
        ge=0.1,
        le=2,
        description="Sampling temperature of tokens: 1 uses the network's probabilities; below 1 "
        "likely tokens become more frequent. null finds the value that makes synthetic"
        " haplotypes as near to each other as training ones are, from 0.9 to 1. "
        "Likelihoods do not depend on it.",
    )
    anchor: bool = Field(False, description=ANCHOR)
    evaluate_every: int | None = EVALUATE_EVERY
    patience: int | None = patience_field(5)
    max_gap: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Stop when the bits of training haplotypes are lower than of validation "
        "haplotypes by this share; null only records the gap.",
    )

    _one_length = field_validator("minutes")(_in_place_of_steps)

    _heads_divide_width = field_validator("heads")(heads_divide_width)


class GanOptions(Section):
    """Adversarial prior of whole haplotypes, and a network of block tokens fitted by likelihood."""

    steps: int | None = Field(
        None,
        ge=1,
        description="Generator steps of the schedule; null: by the size of the cohort, as the "
        "transformer's, and at least 1,200.",
    )
    minutes: float | None = MINUTES
    batch: int = Field(32, ge=2, description="Haplotypes per step.")
    block_size: int | None = BLOCK_SIZE
    vocabulary_size: int = Field(
        64, ge=2, le=256, description="Distinct training blocks kept per token."
    )
    context: int = Field(
        48, ge=4, le=4096, description="Blocks of a training window; generation is not bound to it."
    )
    width: int = Field(64, ge=8, le=4096, description="Channels of the token network.")
    latent: int = Field(
        4, ge=1, le=256, description="Dimensions of the embedding of a whole haplotype."
    )
    dropout: Share = Field(
        0.2, description="Dropout while the likelihood is fitted; raise it for small cohorts."
    )
    learning_rate: float = learning_rate_field(2e-3)
    temperature: float | None = Field(
        None,
        ge=0.1,
        le=2,
        description="Sampling temperature of tokens: 1 uses the network's probabilities; below 1 "
        "likely tokens become more frequent, but their frequencies stay as in "
        "training. null finds the value that makes synthetic haplotypes as near to "
        "each other as training ones are, from 0.6 to 1.",
    )
    anchor: bool = Field(False, description=ANCHOR)
    evaluate_every: int = Field(100, ge=1, description="Generator steps between evaluations.")
    patience: int | None = patience_field(None)

    _one_length = field_validator("minutes")(_in_place_of_steps)


class CopyingNetworkOptions(Section):
    """Network over templates: recurrent copying as attention, with weights that all positions
    share, and exact likelihood.
    """

    steps: int = Field(
        800,
        ge=1,
        description="Optimiser steps of the schedule; one value for contigs and cohorts of any "
        "size.",
    )
    minutes: float | None = Field(
        None, gt=0, description="Length of the schedule in minutes, in place of steps."
    )
    block_size: int | None = Field(
        None,
        ge=2,
        le=32,
        description="Sites per token; null takes 16 where sites are linked, 8 where templates are "
        "fewer than 1000 or their tokens do not cover the cohort, and 2 where sites "
        "are unlinked.",
    )
    vocabulary_size: int = Field(
        64,
        ge=2,
        le=256,
        description="Distinct blocks of the templates kept per token; others are reached by "
        "mutations.",
    )
    min_token_carriers: int = Field(
        2,
        ge=1,
        description="Templates that must share a block for it to be a token; with 1 a block of one "
        "individual can be drawn whole.",
    )
    match_carriers: int = Field(
        1,
        ge=1,
        description="Smallest number of templates that must equal a haplotype on its last sites "
        "and carry a token; fewer are not counted. More than 1 lowers the likelihood.",
    )
    groups: int = Field(
        32,
        ge=1,
        description="Most groups of templates with alike whole haplotypes per population; each "
        "synthetic haplotype is drawn in one of them, which keeps what a haplotype is "
        "like along a contig. There is one for every 150 templates; 1 has none. "
        "Likelihoods do not depend on it.",
    )
    width: int = Field(32, ge=8, multiple_of=8, description="Width of the network.")
    learning_rate: float = learning_rate_field(1e-2)
    temperature: float | None = Field(
        None,
        ge=0.1,
        le=2,
        description="Sampling temperature of tokens: 1 uses the network's probabilities; below 1 "
        "likely tokens become more frequent. null finds the value that makes synthetic"
        " haplotypes as near to each other as templates are, from 0.6 (without anchors "
        "0.8) to 1. Likelihoods do not depend on it.",
    )
    anchor: bool = Field(True, description=ANCHOR)
    evaluate_every: int | None = EVALUATE_EVERY
    patience: int | None = patience_field(None)


class TrainSections(Section):
    """Options of every haplotype generator."""

    common: TrainOptions = Field(
        default_factory=TrainOptions, description="What all of them share."
    )
    transformer: TransformerOptions = Field(default_factory=TransformerOptions)
    gan: GanOptions = Field(default_factory=GanOptions)
    copying_network: CopyingNetworkOptions = Field(default_factory=CopyingNetworkOptions)
    independent: IndependentOptions = Field(default_factory=IndependentOptions)
    markov: MarkovOptions = Field(default_factory=MarkovOptions)
    mosaic: MosaicOptions = Field(default_factory=MosaicOptions)
    matched_mosaic: MatchedMosaicOptions = Field(default_factory=MatchedMosaicOptions)
    hmm: HmmOptions = Field(default_factory=HmmOptions)
    li_stephens: LiStephensOptions = Field(default_factory=LiStephensOptions)
