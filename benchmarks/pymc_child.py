"""Sleepstudy as a PyMC user writes it, sampled by PyMC's own NUTS; called by posterior.py, JSON on stdout.

Arguments: CSV, draws, scales of the half-t priors of sigma and of the two sds. Non-centred, LKJ(1), flat beta.
"""

import json
import sys
import time

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm


def build(frame: pd.DataFrame, scales: list[float]) -> pm.Model:
    """Write the model."""
    subject, _ = pd.factorize(frame["Subject"])
    days = frame["Days"].to_numpy(dtype=float)
    with pm.Model() as model:
        beta = pm.Flat("beta", shape=2)
        sigma = pm.HalfStudentT("sigma", nu=3.0, sigma=scales[0])
        sd = pm.HalfStudentT.dist(nu=3.0, sigma=np.array(scales[1:]), shape=2)
        factor, _, _ = pm.LKJCholeskyCov("factor", n=2, eta=1.0, sd_dist=sd)
        z = pm.Normal("z", shape=(2, subject.max() + 1))
        b = pm.Deterministic("b", (factor @ z).T)
        mean = beta[0] + beta[1] * days + b[subject, 0] + b[subject, 1] * days
        pm.Normal("y", mean, sigma, observed=frame["Reaction"].to_numpy())
    return model


def main() -> None:
    """Sample twice; the first run fills the compile cache."""
    frame = pd.read_csv(sys.argv[1])
    for _ in range(2):
        begun = time.perf_counter()
        with build(frame, [float(word) for word in sys.argv[3:]]):
            data = pm.sample(
                int(sys.argv[2]),
                tune=1000,
                chains=4,
                cores=2,
                random_seed=1,
                progressbar=False,
                nuts_sampler="pymc",
            )
        whole = time.perf_counter() - begun
    b = np.asarray(data["posterior"]["b"]).reshape(4, -1, 36)
    table = az.summary(az.from_dict({"posterior": {f"b{k}": b[:, :, k] for k in range(36)}}), round_to="none")
    found = {
        "tool": f"PyMC {pm.__version__}, written by hand, its own NUTS",
        "whole": whole,
        "sampling": float(data["posterior"].attrs.get("sampling_time", whole)),
        "ess": float(table["ess_bulk"].min()),
        "mean": table["mean"].tolist(),
        "mcse": table["mcse_mean"].tolist(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
