"""Whether shadow models are fitted, how long each of them trains, and what that costs.

The decision must be the same on every machine and at every load, or equal runs would not give equal
bytes. So the cost is no measured time: it is that of the work (rows, blocks, steps, parameters) at
the paces below, which were measured once (docs/privacy.md, "Shadow models").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from genoloom.audit_levels import FEWEST_SHADOW_MODELS
from genoloom.config_section import Section
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.haplotype.schedules import CALIBRATION_ROWS, LEAST_GAN_STEPS, automatic_steps

VALIDATION_FRACTION = 0.1  # share of a shadow's individuals in the validation set
LONGEST_BLOCK = 32  # sites, where the model does not say it

# CPU seconds on one core, measured on the shipped region
SECONDS_PER_FLOP = 9e-11  # of a training step: 6 for each weight that a token meets
SECONDS_PER_DRAWN_FLOP = 3.5e-10  # 2 for each weight: drawing goes token by token
OVERHEAD = 1.0  # of a network: evaluations, tokenizer
SECONDS_PER_CELL = {  # fitting and drawing, for each allele of the training haplotypes
    "independent": 3e-7, "markov": 4e-6, "mosaic": 3e-7, "matched_mosaic": 6e-7,
}  # fmt: skip
# of a haplotype and a template, for each site; `hmm` has a sixth as many clusters, and steps
SECONDS_PER_PAIR = {
    "copying_network": 2e-8, "li_stephens": 2.8e-8, "hmm": 1.5e-8,
}  # fmt: skip
SECONDS_PER_ATTACKED_CELL, SECONDS_PER_DISTANCE = 3e-7, 6e-10


@dataclass(frozen=True)
class ShadowPlan:
    """What is done.

    Attributes
    ----------
    number : int
        Shadow models; 0 for none.
    minutes : float
        Estimated CPU minutes of as many as there would be.
    reason : str
        Why there are none; empty where there are.
    """

    number: int
    minutes: float
    reason: str


def plan_shadows(
    asked: int | Literal["auto"],
    limit_minutes: float,
    share: float,
    generators: Mapping[str, HaplotypeGenerator],
    sites: Mapping[str, int],
    individuals: int,
    kinds_of_templates: Sequence[str | None] = (),
) -> ShadowPlan:
    """Decide how many shadow models are fitted.

    Parameters
    ----------
    asked, limit_minutes, share
        `audit.shadow_models`, `audit.shadow_minutes`, `audit.shadow_steps`. A number is done
        whatever it costs.
    generators : mapping of str to HaplotypeGenerator
        The audited model of each contig; empty where none is given.
    sites : mapping of str to int
        Sites of each contig.
    individuals : int
        Who trains a shadow model.
    kinds_of_templates : sequence of str or None
        Whose haplotypes the models hold, where they say so.
    """
    if asked == 0:
        return ShadowPlan(0, 0.0, "audit.shadow_models is 0")
    if not generators:
        return ShadowPlan(0, 0.0, "no model is given")
    if "public" in kinds_of_templates:
        # trained on private haplotypes they would be models of another kind
        return ShadowPlan(0, 0.0, "nothing in the model comes from the cohort")
    number = FEWEST_SHADOW_MODELS if asked == "auto" else asked
    one = sum(
        seconds(generator, individuals, sites[contig], share)
        for contig, generator in generators.items()
    )
    minutes = number * one / 60
    if asked == "auto" and minutes > limit_minutes:
        about = max(1, round(minutes))
        return ShadowPlan(
            0,
            minutes,
            f"about {about} CPU minutes are above audit.shadow_minutes ({limit_minutes:g})",
        )
    return ShadowPlan(number, minutes, "")


def shadow_options(
    generator: HaplotypeGenerator, individuals: int, sites: int, share: float
) -> Section:
    """The options of a shadow model: the same as of the audited one, with `share` of its training
    steps and no early stopping.

    Nothing is evaluated on the way.
    """
    options = generator.options
    whole = training_steps(generator, individuals, sites)
    if whole is None:
        return options
    steps = max(1, round(share * whole))
    changed = {
        "steps": steps, "minutes": None, "evaluate_every": steps, "patience": None, "max_gap": None,
        "init_from": None,
    }  # fmt: skip
    return options.model_copy(
        update={
            name: value for name, value in changed.items() if name in type(options).model_fields
        }
    )


def training_steps(generator: HaplotypeGenerator, individuals: int, sites: int) -> int | None:
    """Steps that the audited model's options give to as many individuals; None where nothing is
    trained step by step.
    """
    options = generator.options
    if "steps" not in type(options).model_fields:
        return None
    if options.steps is not None:
        return options.steps
    sites = -(-sites // _windows(options, sites))  # each window has a schedule of its own
    # with minutes there is no warning that a schedule is short
    steps = automatic_steps(
        _fitted(individuals), _blocks(options, sites), options.model_copy(update={"minutes": 1.0})
    )
    return max(LEAST_GAN_STEPS, steps) if generator.name == "gan" else steps


def seconds(generator: HaplotypeGenerator, individuals: int, sites: int, share: float) -> float:
    """Estimated CPU seconds of one shadow model of one contig: fitted, drawn from and attacked."""
    options, name, rows = generator.options, generator.name, 2 * individuals
    attacked = sites * (
        3 * rows * SECONDS_PER_ATTACKED_CELL + 2 * rows * rows * SECONDS_PER_DISTANCE
    )
    steps = training_steps(generator, individuals, sites)
    steps = 0 if steps is None else max(1, round(share * steps))
    if name in ("transformer", "gan"):
        width, blocks = options.width, _blocks(options, sites)
        body = 12 * options.layers * width**2 if name == "transformer" else 6 * width**2
        weights = (
            body + options.vocabulary_size * width + (options.block_size or LONGEST_BLOCK) * width
        )
        trained = 6.0 * weights * steps * options.batch * min(options.context, blocks)
        trained *= _windows(options, sites)
        drawn = (
            2.0
            * weights
            * blocks
            * (rows if name == "transformer" else rows + CALIBRATION_ROWS / 4)
        )
        return attacked + OVERHEAD + SECONDS_PER_FLOP * trained + SECONDS_PER_DRAWN_FLOP * drawn
    if name in SECONDS_PER_PAIR:
        clusters = (options.clusters or min(400, rows / 6)) * steps if name == "hmm" else rows
        return attacked + SECONDS_PER_PAIR[name] * rows * clusters * sites
    return attacked + SECONDS_PER_CELL[name] * rows * sites


def _fitted(individuals: int) -> int:
    """Haplotypes that are not in the validation set."""
    return max(1, round(2 * individuals * (1 - VALIDATION_FRACTION)))


def _windows(options: Section, sites: int) -> int:
    """Windows in which a contig is trained."""
    size = getattr(options, "window", None)
    return 1 if size is None else max(1, round(sites / size))


def _blocks(options: Section, sites: int) -> int:
    return -(-sites // (options.block_size or LONGEST_BLOCK))
