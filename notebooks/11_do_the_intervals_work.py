# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11. Do the intervals work?
#
# **Question.** An interval says "95 %". Does it hold the truth 95 times in 100, with six groups of five
# observations?
#
# **Data.** Simulated, so that we know the truth.
#
# **You need to know** `cond_sd` and `pev_sd` (lesson 2), and that a variance can be estimated as 0 (lesson
# 4).
#
# **Time.** 45 minutes in class; the cells run in half a minute or so.

# %%
import numpy as np
import pandas as pd

import blupbayes as bb

# %% [markdown]
# ## The question
#
# Six groups, five observations in each. The truth is ours to choose: total variance 1, of which a share
# lies *between* the groups. That share is the intraclass correlation, **ICC**. We ask for an interval for
# the mean of each group. Four offers:
#
# | offer | interval | what it takes as known |
# |---|---|---|
# | `raw` | the group's own mean ± t se | nothing about the other groups |
# | `blup cond_sd` | BLUP ± 1.96 `cond_sd` | the overall mean *and* the variances |
# | `blup pev_sd` | BLUP ± 1.96 `pev_sd` | the variances |
# | `posterior` | 2.5 % to 97.5 % of the posterior | nothing; it needs a prior |
#
# ## Look: one data set


# %%
def simulate(icc, random_seed):
    """Six true group means, and a table with five observations around each."""
    rng = np.random.default_rng(random_seed)
    truth = np.sqrt(icc) * rng.normal(size=6)
    y = np.repeat(truth, 5) + np.sqrt(1 - icc) * rng.normal(size=30)
    return truth, pd.DataFrame({"group": np.repeat(list("ABCDEF"), 5), "y": y})


truth, data = simulate(icc=0.2, random_seed=8)
model = bb.MixedModel("y ~ 1 + (1 | group)", data)
reml, flat = model.fit("REML"), bb.Prior(sd="flat", residual="flat")
print(reml.variances)

# %% [markdown]
# The package says it itself: this is one of the unlucky data sets (about one in five at this ICC). REML
# says that the groups do not differ at all, though they do. What do the intervals make of it?

# %%
blup = reml.ranef().assign(mean=lambda b: reml.beta["Intercept"] + b["estimate"])
rows = pd.DataFrame({"truth": truth, "BLUP": blup["mean"], "cond_sd": blup["cond_sd"]})
post = bb.compare(model.integrate(flat)).to_dataframe(component="group_mean")
rows[["posterior from", "to"]] = post[["ci_lb", "ci_ub"]]
rows.set_axis(blup["level"]).round(2)

# %% [markdown]
# Every `cond_sd` is 0: six intervals without any width, all at the same place, and none holds its truth.
# The posterior, which does not know the variance either but *knows that it does not know*, has honest
# widths.
#
# ## One data set proves nothing: 20 000 of them
#
# In this balanced layout everything has a closed form (lesson 3), so that we need no package for the first
# two rows:


# %%
def by_hand(icc, n=20_000, J=6, R=5):
    """Shares of n data sets: REML variance at 0; truths inside of BLUP -+ 1.96 cond_sd, and of 1.96 pev_sd."""
    rng = np.random.default_rng(1)
    truth = np.sqrt(icc) * rng.normal(size=(n, J))
    y = truth[:, :, None] + np.sqrt(1 - icc) * rng.normal(size=(n, J, R))
    means, grand = y.mean(axis=2), y.mean(axis=(1, 2))[:, None]
    within = ((y - means[:, :, None]) ** 2).sum(axis=(1, 2)) / (J * (R - 1))  # mean squares
    between = R * means.var(axis=1, ddof=1)
    zero = between <= within
    pooled = ((J - 1) * between + J * (R - 1) * within) / (J * R - 1)
    sigma2 = np.where(zero, pooled, within)[:, None]  # the REML estimates
    group2 = np.where(zero, 0.0, (between - within) / R)[:, None]
    weight = R * group2 / (R * group2 + sigma2)
    cond = weight * sigma2 / R
    pev = cond + (1 - weight) ** 2 * (group2 + sigma2 / R) / J
    miss = np.abs(grand + weight * (means - grand) - truth) / 1.96
    return {
        "variance at 0": zero.mean(),
        "cond_sd": np.mean(miss**2 <= cond),
        "pev_sd": np.mean(miss**2 <= pev),
    }


shares = pd.DataFrame({icc: by_hand(icc) for icc in (0.05, 0.20, 0.42, 0.80)})
shares.round(3)

# %% [markdown]
# "95 %" holds the truth in half of all cases, where the groups differ little. And the cause is in the first
# row: where the variance is estimated as 0, or too small, the interval collapses. Adding the error of the
# overall mean (`pev_sd`) helps, but does not heal it: the error of the *variance* is still missing.
#
# ## All offers, by the package
#
# `bb.coverage` does the same for any design and more methods. Few data sets here, for the sake of your
# time; the bars in the figure say how far that goes. Take ten times as many at home.

# %%
truths = {icc: {"group": np.sqrt(icc), "residual": np.sqrt(1 - icc)} for icc in (0.05, 0.20, 0.42, 0.80)}
options = {"random_seed": 1, "progressbar": False}
usual = ["raw", "blup cond_sd", "blup pev_sd"]
plug_in = {icc: bb.coverage(model, true, methods=usual, n=100, **options) for icc, true in truths.items()}

# %% [markdown]
# The posterior takes longer: an integral for each data set.

# %%
only = {"methods": ["posterior"], "prior": flat, "n": 60, **options}
full = {icc: bb.coverage(model, true, **only) for icc, true in truths.items()}
tables = {icc: pd.concat([plug_in[icc], full[icc]], ignore_index=True) for icc in truths}

# %% [markdown]
# ## The picture to remember

# %%
bb.plot_coverage(tables, along="icc", component="group_mean")

# %% [markdown]
# Left: `raw` and `posterior` keep their promise, the plug-in intervals do not, unless the groups differ a
# lot. Right: the price. `raw` buys its coverage with width; the posterior is nearly as honest and narrower,
# where there is something to borrow.
#
# And the estimates themselves, apart from their intervals? Root mean squared error of the group means:

# %%
means = pd.concat(tables, names=["icc"]).query("component == 'group_mean'").reset_index("icc")
means.pivot(index="method", columns="icc", values="rmse").round(2)

# %% [markdown]
# BLUPs and posterior means beat the raw means nearly everywhere. So shrinkage is not the culprit. **The
# point estimates are good; it is their plug-in spread that is too small.**
#
# ## The number to verify

# %%
EXPECTED = {  # 2000 data sets each, simulated with another program; about 4 of its Monte Carlo standard errors, or 5 %
    "variance at 0, icc .05": (0.436, 0.02),
    "variance at 0, icc .20": (0.199, 0.02),
    "variance at 0, icc .42": (0.052, 0.02),
    "variance at 0, icc .80": (0.003, 0.005),
    "cond_sd, icc .05": (0.488, 0.024),
    "cond_sd, icc .20": (0.694, 0.034),
    "cond_sd, icc .42": (0.830, 0.026),
    "cond_sd, icc .80": (0.920, 0.013),
    "pev_sd, icc .05": (0.883, 0.015),
    "pev_sd, icc .20": (0.850, 0.016),
    "pev_sd, icc .42": (0.886, 0.015),
    "pev_sd, icc .80": (0.923, 0.012),
    "posterior, icc .05": (0.968, 0.045),  # 4 standard errors of the 60 data sets here
    "posterior, icc .20": (0.952, 0.045),
    "posterior, icc .42": (0.946, 0.045),
    "posterior, icc .80": (0.949, 0.045),
}

# %% [markdown]
# ## Exercises
#
# **1.** Do more groups help the plug-in intervals? Take 6, 12 and 24 groups at an ICC of 0.2.

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Yes: with more groups the variance is known better, and what is left out matters less. More observations
# in each group would help, too (the weight comes nearer to 1).
#
# </details>

# %%
larger = {}
for groups in (6, 12, 24):
    frame = pd.DataFrame(
        {"y": np.arange(5.0 * groups) % 7, "group": np.repeat(np.arange(groups), 5).astype(str)}
    )
    true = {"group": np.sqrt(0.2), "residual": np.sqrt(0.8)}
    larger[groups] = bb.coverage(
        bb.MixedModel("y ~ 1 + (1 | group)", frame),  # its y does not matter: coverage simulates its own
        true,
        methods=["blup cond_sd", "blup pev_sd"],
        n=60,
        random_seed=groups,
        progressbar=False,
    )
bb.plot_coverage(larger, along="n_groups", component="group_mean")

# %% [markdown]
# **2.** Is a Bayesian interval always honest? Take a prior that is sure of small differences,
# `HalfNormal(0.1)` on the sd of the groups, while the truth has an ICC of 0.8.

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# No. It is honest *on average over truths drawn from its prior*. A truth that the prior all but excludes is
# another matter: the means are pulled to the middle with too much confidence.
#
# </details>

# %%
sure = bb.Prior(sd="HalfNormal(0.1)", residual="flat")
true = {"group": np.sqrt(0.8), "residual": np.sqrt(0.2)}
bb.coverage(model, true, prior=sure, methods=["posterior"], n=40, random_seed=1, progressbar=False)[
    ["component", "group", "coverage", "mc_se", "width", "bias", "rmse"]
].round(3)

# %% [markdown]
# **3.** The share of data sets whose variance is estimated as 0 needs no simulation. Why?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# REML is 0 where the mean square between groups is not above the one within. Their ratio, divided by $1 +
# 5\, \sigma_b^2/\sigma^2$, has an F distribution with 5 and 24 degrees of freedom.
#
# </details>

# %%
from scipy.stats import f

{icc: round(float(f.cdf(1 / (1 + 5 * icc / (1 - icc)), 5, 24)), 4) for icc in shares}

# %% [markdown]
# ## What would change this conclusion
#
# - **More groups**: with 85 counties (lesson 9) plug-in and posterior agree.
# - **Groups that differ a lot** (Rail, ICC above 0.97): all weights are near 1, and all intervals nearly
#   the raw ones.
# - **A prior in conflict with the truth** (exercise 2): then the posterior under-covers, too. Lesson 12 is
#   about that.
# - **Another meaning of coverage.** Here the groups are drawn anew each time. For *one* extreme group,
#   drawn again and again, a shrunken interval covers less than 95 %.
#
# ## Sources
#
# Morris, C. N. (1983). Parametric empirical Bayes inference: theory and applications. *Journal of the
# American Statistical Association* 78, 47-55. Browne, W. J. and Draper, D. (2006). A comparison of Bayesian
# and likelihood-based methods for fitting multilevel models. *Bayesian Analysis* 1, 473-514: the same
# question for schools, 6 to 48 of them.

# %%
names = {0.05: ".05", 0.20: ".20", 0.42: ".42", 0.80: ".80"}
FOUND = {f"{row}, icc {names[icc]}": shares.loc[row, icc] for row in shares.index for icc in shares}
covered = means.set_index(["method", "icc"])["coverage"]
FOUND |= {f"posterior, icc {names[icc]}": covered["posterior", icc] for icc in shares}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
print(f"{len(EXPECTED)} of {len(EXPECTED)} numbers verified")
