"""Blocks of work: sizes, seeds, order, and what is left after Ctrl-C."""

import numpy as np
import pytest

from blupbayes.errors import DataError
from blupbayes.frequentist.blocks import run_blocks, seed_sequence, whole_number


def drawn(size, seed):
    return np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize("n", [1, 9, 10, 11, 35])
def test_sizes_add_up_and_seeds_differ(n):
    found = run_blocks(drawn, n, 10, seed_sequence(1), 1, False)
    assert [len(x) for x in found] == [min(10, n - k) for k in range(0, n, 10)]
    flat = np.concatenate(found)
    assert len(np.unique(flat)) == n


def test_the_number_of_jobs_does_not_matter():
    alone = np.concatenate(run_blocks(drawn, 25, 10, seed_sequence(1), 1, False))
    two = np.concatenate(run_blocks(drawn, 25, 10, seed_sequence(1), 2, False))
    assert np.array_equal(alone, two)


def test_the_backend_is_the_users():
    from joblib import parallel_config

    with parallel_config(backend="threading"):
        found = np.concatenate(run_blocks(drawn, 25, 10, seed_sequence(1), 2, False))
    assert np.array_equal(found, np.concatenate(run_blocks(drawn, 25, 10, seed_sequence(1), 1, False)))


def test_what_was_done_is_kept_when_it_is_stopped():
    calls = []

    def stopped(size, seed):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(size)
        return size

    assert run_blocks(stopped, 100, 10, seed_sequence(1), 1, False) == [10, 10]
    with pytest.raises(KeyboardInterrupt):  # and nothing at all is no answer
        run_blocks(stopped, 100, 10, seed_sequence(1), 1, False)


def test_seeds():
    same = [seed_sequence(3), seed_sequence(np.random.SeedSequence(3))]
    assert same[0].generate_state(2).tolist() == same[1].generate_state(2).tolist()
    given = np.random.SeedSequence(3)
    given.spawn(4)
    assert seed_sequence(given).spawn(1)[0].spawn_key == (0,)  # what was spawned before does not matter
    rng = np.random.default_rng(0)
    assert seed_sequence(rng).entropy != seed_sequence(rng).entropy
    assert seed_sequence(None).entropy != seed_sequence(None).entropy


@pytest.mark.parametrize("n", [0, -5, 2.5, "many", True, None, 10.0])
def test_no_number_of_replicates(n):
    with pytest.raises(DataError, match="whole number of replicates above 0"):
        whole_number("n", n)


def test_a_bar_is_for_terminals(capsys, monkeypatch):
    run_blocks(drawn, 20, 10, seed_sequence(1), 1, True)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    run_blocks(drawn, 20, 10, seed_sequence(1), 1, True)
    assert "replicates" in capsys.readouterr().out
