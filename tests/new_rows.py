"""New rows for the random models of random_models.py, as a frame and by hand."""

import numpy as np
import pandas as pd

from random_models import BARS


def new_frame(d, rng, m=12, unseen=()):
    """m rows with levels drawn at random, so that many pairs never met in the data; new levels in ``unseen``."""
    frame = d.frame.iloc[rng.integers(0, len(d.frame), m)].reset_index(drop=True)
    for name in "abcd":
        frame[name] = frame[name].to_numpy()[rng.permutation(m)]
        if name in unseen:
            frame.loc[: m // 2, name] = f"{name}-new"
    x = rng.normal(size=m)
    f = pd.Categorical(rng.choice(["u", "v", "w"], size=m), categories=["u", "v", "w"])
    return frame.assign(
        x=x, x2=1 + 2 * x, f=f, shift=rng.normal(size=m), weight=rng.uniform(0.3, 3.0, m)
    ).drop(columns="y")


def coefficients(kind):
    """Letters of the coefficients of every grouping factor: {"a": "1x"}."""
    bars = BARS[next((word for word in kind.split() if word in BARS), "intercept")][1]
    out = {}
    for group, names, _ in bars:
        out[group] = out.get(group, "") + names
    return out


def by_hand(d, kind, frame, chosen=None):
    """X (m, p), Z inside and Z outside (m, q), and columns outside by block; ``chosen``: {group: letters}, or all."""
    values = {"1": np.ones(len(frame)), "x": frame["x"].to_numpy()}
    levels_of = {b.name: d.frame[b.name.split(":")].agg(":".join, axis=1) for b in d.blocks}
    X = [values["1"], values["x"], *([frame["x2"].to_numpy()] if "x2" in d.fixed_names else [])]
    X += [(frame["f"] == level).to_numpy(float) for level in "vw"]
    inside, outside = [], []
    for block, (group, letters) in zip(d.blocks, coefficients(kind).items(), strict=True):
        label = frame[group.split(":")].agg(":".join, axis=1)
        known = label.isin(set(levels_of[group])).to_numpy()
        took = letters if chosen is None else chosen.get(group, "")
        inside += [
            (label == level).to_numpy(float) * values[k] * (k in took)
            for level in sorted(set(levels_of[group]))
            for k in letters
        ]
        out = [values[k] * (~known if k in took else True) for k in letters]
        outside.append((block, np.column_stack(out)))
    return np.column_stack(X), np.column_stack(inside), outside


def prior_variance(d, outside, sigma, theta):
    """z'Sigma z (m,) of what does not take part."""
    total = 0.0
    for block, z in outside:
        T = block.T(theta)
        total = total + np.sum((z @ (sigma**2 * T @ T.T)) * z, axis=1)
    return total
