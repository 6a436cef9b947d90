"""Imputation: against the sum over all paths of the copying model."""

from itertools import product

import numpy as np
import pytest

from genoloom.popgen.imputation import impute, template_chances


def all_paths(templates, target, jump, error):
    """Chance of each template at each site: every path of templates with its chance."""
    m, n = templates.shape
    found = np.zeros((m, n))
    for path in product(range(n), repeat=m):
        chance = 1 / n
        for k, copied in enumerate(path):
            if k:
                chance *= jump[k] / n + (1 - jump[k]) * (copied == path[k - 1])
            if target[k] >= 0:
                chance *= 1 - error if templates[k, copied] == target[k] else error
        for k, copied in enumerate(path):
            found[k, copied] += chance
    return found / found.sum(axis=1, keepdims=True)


def test_chances_are_those_of_all_paths():
    rng = np.random.default_rng(3)
    templates, targets = (
        rng.integers(0, 2, (5, 4)).astype(np.int8),
        rng.integers(0, 2, (5, 3)).astype(np.int8),
    )
    targets[[0, 2, 3], [0, 1, 1]] = -1  # missing
    jump = rng.uniform(0.05, 0.6, 5)
    found = template_chances(templates, targets, jump, 0.02)
    for q in range(3):
        expected = all_paths(templates, targets[:, q], jump, 0.02)
        np.testing.assert_allclose(found[:, q], expected, atol=1e-6)


def test_alleles_between_are_those_of_the_templates_along_the_map():
    rng = np.random.default_rng(4)
    templates = rng.integers(0, 2, (8, 3)).astype(np.int8)
    observed, cm = np.array([1, 4, 6]), np.array([0.0, 0.1, 0.15, 0.3, 0.5, 0.5, 0.9, 1.0])
    targets = rng.integers(0, 2, (3, 2)).astype(np.int8)
    found = impute(templates, targets, observed, cm, switch_per_cm=6.0, error=0.02)
    jump = -np.expm1(-6.0 / 3 * np.array([0, 0.4, 0.4]))
    for q in range(2):
        at = all_paths(templates[observed], targets[:, q], jump, 0.02)
        chances = np.stack([np.interp(cm, cm[observed], at[:, n]) for n in range(3)], axis=1)
        np.testing.assert_allclose(found[:, q], (chances * templates).sum(axis=1), atol=1e-6)


def test_a_copy_of_a_template_is_imputed_as_that_template():
    rng = np.random.default_rng(5)
    templates = rng.integers(0, 2, (300, 40)).astype(np.int8)
    observed, cm = np.arange(0, 300, 5), np.arange(300) * 1e-4
    found = impute(templates, templates[observed][:, [7, 23]], observed, cm)
    np.testing.assert_allclose(found, templates[:, [7, 23]], atol=0.01)


@pytest.mark.parametrize("gap", [0.0, 1e3])
def test_a_level_map_and_unlinked_sites_give_finite_numbers(gap):
    templates = np.zeros((6, 4), dtype=np.int8)
    targets = np.ones((3, 2), dtype=np.int8)  # nothing that any template has
    found = impute(templates, targets, np.array([0, 2, 5]), np.arange(6) * gap)
    np.testing.assert_allclose(found, 0, atol=1e-6)
