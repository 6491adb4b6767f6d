"""One measurement of Bambi, called by posterior.py in its own environment: CSV, formula, draws; JSON on stdout."""

import json
import sys
import time

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd


def main() -> None:
    """Sample with Bambi's own defaults, once to compile and once to be timed."""
    frame = pd.read_csv(sys.argv[1], dtype={"Subject": "category"})
    draws, times = int(sys.argv[3]), []
    for _ in range(2):
        begun = time.perf_counter()
        model = bmb.Model(sys.argv[2], frame)
        data = model.fit(draws=draws, tune=1000, chains=4, cores=2, random_seed=1, progressbar=False)
        times.append(time.perf_counter() - begun)
    names = [name for name in ("1|Subject", "Days|Subject") if name in data["posterior"]]
    b = np.concatenate([np.asarray(data["posterior"][name]) for name in names], axis=2)
    flat = {f"b{k}": b[:, :, k] for k in range(b.shape[2])}
    table = az.summary(az.from_dict({"posterior": flat}), round_to="none")
    found = {
        "tool": f"Bambi {bmb.__version__}",
        "whole": times[1],
        "sampling": float(data["posterior"].attrs.get("sampling_time", times[1])),
        "ess": float(table["ess_bulk"].min()),
        "mean": table["mean"].tolist(),
        "sd": table["sd"].tolist(),
        "mcse": table["mcse_mean"].tolist(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
