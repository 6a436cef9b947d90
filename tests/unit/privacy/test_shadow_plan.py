"""Whether shadow models are fitted: by an estimate from the work there is, the same on every
machine.
"""

import pytest

from genoloom.audit_levels import FEWEST_SHADOW_MODELS
from genoloom.models.haplotype import GENERATORS, generator_class
from genoloom.privacy.shadow_plan import plan_shadows, seconds, shadow_options, training_steps
from genoloom.privacy_config import AuditOptions
from genoloom.training_config import CopyingNetworkOptions, TrainSections


def generator(name, **options):
    return generator_class(name)(getattr(TrainSections(), name).model_copy(update=options))


def plan(asked, limit=15.0, models=None, templates=(), individuals=150, sites=3000):
    models = {"20": generator("gan")} if models is None else models
    return plan_shadows(
        asked, limit, 0.25, models, dict.fromkeys(models, sites), individuals, templates
    )


def test_a_number_is_done_whatever_it_costs():
    found = plan(6, limit=1e-9)
    assert (found.number, found.reason) == (6, "")


def test_as_many_as_a_release_asks_for_where_they_are_affordable():
    found = plan("auto")
    assert (found.number, found.reason) == (FEWEST_SHADOW_MODELS, "")
    assert 0 < found.minutes < 15
    assert plan("auto", limit=found.minutes) == found
    costly = plan("auto", limit=found.minutes / 2)
    assert costly.number == 0
    assert "CPU minutes are above audit.shadow_minutes" in costly.reason


@pytest.mark.parametrize("asked", ["auto", 4])
def test_what_there_is_nothing_to_train_for(asked):
    assert plan(asked, models={}).reason == "no model is given"
    public = {"20": generator("copying_network"), "21": generator("copying_network")}
    found = plan(asked, models=public, templates=("private", "public"))
    assert (found.number, found.reason) == (0, "nothing in the model comes from the cohort")
    assert (
        plan(asked, models=public, templates=("private", "private")).number == FEWEST_SHADOW_MODELS
    )
    assert plan(0).reason == "audit.shadow_models is 0"


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_has_an_estimate_that_grows_with_the_work(name):
    one = seconds(generator(name), 150, 3000, 0.25)
    assert 0.1 < one < 120  # four of any of them fit into the default limit on the shipped region
    assert seconds(generator(name), 300, 3000, 0.25) > one
    assert seconds(generator(name), 150, 6000, 0.25) > one
    assert seconds(generator(name), 150, 3000, 1.0) >= one


def test_contigs_add_up():
    models = {"20": generator("gan"), "21": generator("gan")}
    assert plan("auto", models=models).minutes == pytest.approx(2 * plan("auto").minutes)


def test_a_shadow_model_has_the_options_of_the_audited_one_and_a_share_of_its_steps():
    audited = generator(
        "transformer",
        steps=None,
        minutes=5.0,
        init_from="base.safetensors",
        width=32,
        patience=5,
        max_gap=0.1,
    )
    options = shadow_options(audited, 150, 3000, 0.25)
    assert options.steps == round(0.25 * training_steps(audited, 150, 3000))
    assert (
        options.minutes,
        options.init_from,
        options.patience,
        options.max_gap,
        options.width,
    ) == (None, None, None, None, 32)
    assert shadow_options(generator("gan", steps=400), 150, 3000, 0.25).steps == 100
    assert shadow_options(generator("hmm", steps=1), 150, 3000, 0.25).steps == 1
    assert shadow_options(generator("mosaic"), 150, 3000, 0.25) == TrainSections().mosaic
    shortened = shadow_options(generator("copying_network"), 150, 3000, AuditOptions().shadow_steps)
    assert isinstance(shortened, CopyingNetworkOptions)
