"""The seed in the attributes makes the draws again, whatever was given."""

import numpy as np

from blupbayes.bayes.provenance import settled_seed


def test_a_missing_seed_is_made_up_and_known():
    first, second = settled_seed(None), settled_seed(None)
    assert isinstance(first, int) and first != second  # equal once in 4e9


def test_a_generator_gives_the_next_seed():
    seeds = [settled_seed(np.random.default_rng(3)) for _ in range(2)]
    assert seeds[0] == seeds[1] and isinstance(seeds[0], int)
    rng = np.random.default_rng(3)
    assert settled_seed(rng) == seeds[0] and settled_seed(rng) != seeds[0]


def test_other_seeds_are_passed_on():
    assert settled_seed(7) == 7
    assert settled_seed([1, 2, 3, 4]) == [1, 2, 3, 4]
