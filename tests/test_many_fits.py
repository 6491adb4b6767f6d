"""Many fits through joblib, here and on a Dask cluster: the same bits as in this process, whoever does the work."""

import os
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.bayes import calibration as calibration_module
from blupbayes.frequentist import blocks
from blupbayes.frequentist import bootstrap as bootstrap_module
from cluster import two_workers

RAIL = bb.load_dataset("rail")
ONE_WAY = bb.Prior(kappa=1e-4, mean=60.0, residual="HalfNormal(5)", sd="HalfNormal(30)")
TRUTH = {"Rail": 24.0, "residual": 4.0}
PRIORS = {
    "flat": "flat",
    "heavy": "HalfCauchy(50)",
    "tight": "HalfNormal(10)",
}  # two need integrals of their own


@pytest.fixture(scope="module")
def cluster():
    with two_workers() as client:
        yield client


@pytest.fixture
def client(cluster):
    cluster.wait_for_workers(2)  # a test before this one may have killed one; with one, joblib works here
    return cluster


@pytest.fixture(scope="module")
def model():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", RAIL)


def booted(model, n_jobs):
    return model.fit().bootstrap(1500, random_seed=1, n_jobs=n_jobs).replicates


def covered(model, n_jobs):
    return bb.coverage(model, TRUTH, methods=["raw", "wald"], n=60, random_seed=1, n_jobs=n_jobs)


def calibrated(model, n_jobs):
    return model.calibrate(ONE_WAY, 12, random_seed=1, rel_error=0.1, n_jobs=n_jobs).ranks


def sensitive(model, n_jobs):
    return model.sensitivity(PRIORS, n_jobs=n_jobs).to_dataframe()


VERBS = (booted, covered, calibrated, sensitive)


@pytest.mark.parametrize("verb", VERBS)
def test_two_processes_give_the_same_bits(model, verb):
    pd.testing.assert_frame_equal(verb(model, 1), verb(model, 2), check_exact=True)


@pytest.mark.parametrize("verb", VERBS)
def test_a_cluster_gives_the_same_bits(client, model, verb):
    alone = verb(model, 1)
    with joblib.parallel_config(backend="dask"):
        pd.testing.assert_frame_equal(alone, verb(model, -1), check_exact=True)


def deadly(marker, work, *job):
    """The work, but the first process that comes here dies."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(*job)


def test_a_worker_that_dies_changes_no_replicate(client, model, monkeypatch, tmp_path):
    alone, marker = booted(model, 1), tmp_path / "died"
    whole = bootstrap_module.one_block
    monkeypatch.setattr(bootstrap_module, "one_block", partial(deadly, str(marker), whole))
    with joblib.parallel_config(backend="dask"):
        pd.testing.assert_frame_equal(alone, booted(model, -1), check_exact=True)
    assert marker.exists()


def test_what_a_job_needs_does_not_die_with_the_worker_that_has_it(client, model, monkeypatch, tmp_path):
    # Responses of 2400 rows are of a size that joblib puts beside the jobs, on one worker, if they are arguments.
    wide = bb.MixedModel(
        "y ~ 1 + (1 | g)", pd.DataFrame({"y": np.arange(2400.0) % 7, "g": np.repeat(np.arange(6), 400)})
    )
    alone, marker = calibrated(wide, 1), tmp_path / "died"
    whole = calibration_module.one_simulation
    monkeypatch.setattr(calibration_module, "one_simulation", partial(deadly, str(marker), whole))
    with joblib.parallel_config(backend="dask"):
        pd.testing.assert_frame_equal(alone, calibrated(wide, -1), check_exact=True)
    assert marker.exists()


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_ctrl_c_keeps_what_the_workers_have_done(client, model, monkeypatch, backend):
    alone = booted(model, 1)
    monkeypatch.setattr(blocks, "progress", stopped_after(2))
    with joblib.parallel_config(backend=backend):
        assert np.array_equal(booted(model, 2), alone[:1000], equal_nan=True)
    monkeypatch.undo()
    with joblib.parallel_config(backend=backend):  # and the workers still serve
        pd.testing.assert_frame_equal(alone, booted(model, 2), check_exact=True)


def stopped_after(blocks_done):
    """A bar at which Ctrl-C comes when so many blocks are there."""

    @contextmanager
    def bar(total, wanted, label):
        moves = iter(range(1, total))

        def advance(size):
            if next(moves) == blocks_done:
                raise KeyboardInterrupt

        yield advance

    return bar
