"""Two small data sets with a random slope whose profiles have two minima in the rest of the parameters.

Found among random ones: y ~ x + (x | g) with four groups of the same size; rounded to two digits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import blupbayes as bb
from blupbayes.mme.fit import Estimate
from random_models import Block, RandomDesign

X = {
    "corr_g[x,Intercept]": "2.04 2.08 2.26 2.13 2.46 1.65 2.27 2.03 2.39 2.38 2.27 1.84 1.85 2.05 1.86 1.44",
    "beta[x]": "0.11 2.32 0.89 -1.35 0.58 1.06 -0.5 0.0 0.43 -1.51 -2.27 0.66",
}
Y = {
    "corr_g[x,Intercept]": "6.12 5.02 4.48 5.23 4.54 3.74 4.8 4.7 4.85 4.55 5.55 7.19 4.26 6.45 5.66 2.74",
    "beta[x]": "2.24 4.76 4.79 1.16 4.43 2.7 -2.82 -2.11 -0.93 -0.17 0.79 3.79",
}


def two_minima(parameter: str) -> tuple[RandomDesign, Estimate]:
    """The model in which this parameter's profile has two minima below the estimate, and its ML estimates."""
    x, y = (np.array(v[parameter].split(), dtype=float) for v in (X, Y))
    codes = np.repeat(np.arange(4), len(x) // 4)
    Z = (np.eye(4)[codes][:, :, None] * np.column_stack([np.ones(len(x)), x])[:, None, :]).reshape(len(x), 8)
    frame = pd.DataFrame({"y": y, "x": x, "g": [f"g{code}" for code in codes]})
    block = Block("g", 4, 2, ((0, 0, 0), (1, 0, 1), (1, 1, 2)))
    fixed = np.column_stack([np.ones(len(x)), x])
    theta = np.array([1.0, 0.0, 1.0])
    d = RandomDesign("y ~ x + (x | g)", frame, y, fixed, Z, ("Intercept", "x"), (block,), theta, None, None)
    return d, bb.MixedModel(d.formula, frame).fit("ML").estimate
