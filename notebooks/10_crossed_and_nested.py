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
# # 10. Crossed and nested
#
# **Question.** Two data sets, two grouping factors in each. In one the factors are crossed, in the other
# nested. Does that need other equations?
#
# **Data.** `penicillin`: 6 samples, each tested on each of 24 plates; the diameter (mm) of a zone without
# bacteria. `pastes`: 10 batches of a paste, 3 casks from each batch, 2 tests of the strength of each cask.
#
# **You need to know** Henderson's equations (lesson 1).
#
# **Time.** 45 minutes in class; the cells run in seconds.

# %%
import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import blupbayes as bb

penicillin = bb.load_dataset("penicillin")
pastes = bb.load_dataset("pastes")

# %% [markdown]
# ## The question: who meets whom?

# %%
pd.crosstab(penicillin["sample"], penicillin["plate"])

# %% [markdown]
# Every sample meets every plate: **crossed**. Now the pastes:

# %%
pd.crosstab(pastes["batch"], pastes["cask"])

# %% [markdown]
# This looks just as crossed, and it is not. Cask `a` of batch A and cask `a` of batch B are two casks: the
# labels start again in each batch. A cask belongs to one batch: **nested**. The table cannot know; you
# must.
#
# In a formula: `(1 | plate) + (1 | sample)` for crossed factors, `(1 | batch/cask)` for nested ones. The
# slash writes the batch into the name of the cask.

# %%
crossed = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", penicillin)
nested = bb.MixedModel("strength ~ 1 + (1 | batch/cask)", pastes)
print(crossed, nested, sep="\n\n")

# %% [markdown]
# ## Look: two patterns
#
# $Z$ has a row for each observation and a column for each level, with a 1 where they belong together. $Z'Z$
# counts how often two levels meet.

# %%
Z = {
    "Penicillin": pd.get_dummies(penicillin[["plate", "sample"]], dtype=float),
    "Pastes": pd.get_dummies(pastes[["batch", "sample"]], dtype=float),  # "sample": batch and cask, joined
}

# %% [markdown]
# ## The picture to remember

# %%
fig = Figure(figsize=(7.0, 6.4), layout="constrained")
for row, (name, matrix) in zip(fig.subplots(2, 2, width_ratios=(1, 2)), Z.items(), strict=True):
    row[0].spy(matrix, markersize=1.6, color="black", aspect="auto")
    row[1].spy(matrix.T @ matrix, markersize=4.0, color="black")
    first = sum(column.startswith(("plate", "batch")) for column in matrix.columns)
    for ax in row:
        ax.axvline(first - 0.5, color="#0072B2", linewidth=1.2)
        ax.set(xticks=[], yticks=[])
    row[1].axhline(first - 0.5, color="#0072B2", linewidth=1.2)
    row[0].set(title=f"{name}: Z", ylabel="observations")
    row[1].set_title(f"{name}: Z'Z")

# %%
bb.figure(
    fig,
    alt=(
        "Patterns of Z and Z'Z. Penicillin, crossed: the block of plates by samples in Z'Z is full. Pastes, "
        "nested: the block of batches by casks is a staircase, three casks to a batch, and empty elsewhere."
    ),
    caption=(
        "Entries that are not 0. A blue line parts the levels of the first factor (plates, batches) from those of the "
        "second (samples, casks)."
    ),
)

# %% [markdown]
# Crossed: each plate meets each sample, and the block between them is full. Nested: each cask meets its own
# batch only.
#
# ## One equation, two patterns
#
# Henderson's equations do not ask where the 1s stand:
#
# $$\begin{pmatrix} X'X & X'Z \\ Z'X & Z'Z + D \end{pmatrix} \begin{pmatrix} \beta \\ b \end{pmatrix} =
# \begin{pmatrix} X'y \\ Z'y \end{pmatrix}$$
#
# $D$ is diagonal: for each level, the residual variance over the variance of its factor. Here they are by
# hand, six lines for both data sets:


# %%
def henderson(y, Z, ratios):
    """beta and b: ratios has a residual variance over a factor's variance for each column of Z."""
    XZ = np.column_stack([np.ones(len(y)), Z])
    C = XZ.T @ XZ + np.diag([0.0, *ratios])
    return np.linalg.solve(C, XZ.T @ y)


# %% [markdown]
# ... and beside them what the package says, at the REML variances:

# %%
cases = {
    "Penicillin": (crossed.fit("REML"), penicillin["diameter"], [24, 6]),
    "Pastes": (nested.fit("REML"), pastes["strength"], [10, 30]),
}
for name, (fit, y, levels) in cases.items():
    *variances, residual = fit.varcorr()["vcov"]
    by_hand = henderson(y, Z[name], np.repeat(residual / np.array(variances), levels))
    package = np.concatenate([fit.beta, fit.ranef()["estimate"]])
    print(f"{name:10}  {len(package)} unknowns, largest difference {np.abs(by_hand - package).max():.0e}")

# %% [markdown]
# So the answer to the opening question is no. Crossed, nested, or something in between: the same equations,
# another $Z$. Nobody had to say "nested" to the equations. But somebody had to label the casks.
#
# ## Two readings
#
# **Penicillin.** How different are the samples (of interest), the plates (a nuisance), two zones of one
# sample and plate?

# %%
penicillins = bb.compare(crossed.fit("ML"), cases["Penicillin"][0], crossed.integrate())
penicillins.to_dataframe("wide", component=["fixed", "sd"]).xs("estimate", axis=1, level=1).round(3)

# %%
penicillins.plot_forest(group="sample")

# %% [markdown]
# The columns differ in the sd of the samples: there are only six of them. The 24 plates give their own sd
# away much better.
#
# **Pastes.** What varies, the batches or the casks within a batch?

# %%
strengths = bb.compare(nested.fit("ML"), cases["Pastes"][0], nested.integrate(rel_error=0.001))
strengths.to_dataframe("wide", component=["fixed", "sd"]).xs("estimate", axis=1, level=1).round(3)

# %%
strengths.plot_variances()

# %% [markdown]
# The casks vary, by far the most. Whether the batches differ at all, ten of them do not tell: the posterior
# of their sd reaches down to nearly 0. ML and REML are two points on that curve, and they do not agree
# either.

# %%
print(textwrap.fill(strengths.verdict(), 100))

# %% [markdown]
# ## The trap: `(1 | cask)`
#
# Forget that the labels start again, and the model has three casks, `a`, `b`, `c`, each with 20 tests,
# crossed with the batches. It runs, without a warning. It cannot know.

# %%
trap = bb.MixedModel("strength ~ 1 + (1 | batch) + (1 | cask)", pastes).fit("REML")
rows = {"(1 | batch/cask)": (cases["Pastes"][0], "batch:cask"), "(1 | batch) + (1 | cask)": (trap, "cask")}
pd.DataFrame(
    [
        {
            "casks": (fit.ranef()["group"] == group).sum(),
            "sd of casks": fit.varcorr().set_index("group").loc[group, "sdcor"],
            "residual sd": fit.sigma,
            "AIC": fit.aic,
        }
        for fit, group in rows.values()
    ],
    index=list(rows),
).round(2)

# %% [markdown]
# What is common to "all casks called a" is nearly nothing; the differences between casks have gone into the
# residual. Before you fit, count the levels: 30 casks were bought, so there must be 30 levels.
# `print(model)` shows them.
#
# ## The number to verify

# %%
EXPECTED = {  # lme4 on the same data, rounded; half a unit of the last digit
    "Penicillin, mean": (22.972, 0.0006),
    "Penicillin, its standard error": (0.809, 0.0006),
    "Penicillin, sd of plates": (0.847, 0.0006),
    "Penicillin, sd of samples": (1.932, 0.0006),
    "Penicillin, residual sd": (0.550, 0.0006),
    "Pastes, sd of casks": (2.904, 0.0006),
    "Pastes, sd of batches": (1.287, 0.0006),
    "Pastes, residual sd": (0.823, 0.0006),
    "Pastes, sd of batches by ML": (1.095, 0.0006),
}

# %% [markdown]
# ## Exercises
#
# **1.** Two tests of strength come from the same cask. How strongly are they correlated? And two tests from
# two casks of the same batch?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# What two tests share, over all that varies. Tests of one cask share batch and cask; tests of two casks of
# a batch share the batch only.
#
# </details>

# %%
batch, cask, residual = cases["Pastes"][0].varcorr()["vcov"]
total = batch + cask + residual
print(f"same cask {(batch + cask) / total:.2f}   same batch, another cask {batch / total:.2f}")

# %% [markdown]
# **2.** A fifth of the Penicillin plates is dropped on the floor: delete 29 of the 144 zones at random. Do
# the equations still work? What happens to the weights?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# They work unchanged: nothing in them asks for balance. Only the weights are no longer the same for all
# plates: a plate that has lost zones gives more weight to the other plates (lesson 9).
#
# </details>

# %%
kept = penicillin.sample(115, random_state=1)
unbalanced = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", kept).fit("REML")
table = bb.compare(unbalanced).to_dataframe(component="weight").query("group == 'plate'").set_index("level")
zones = pd.DataFrame({"zones": kept["plate"].value_counts(), "weight": table["estimate"]})
zones.groupby("zones").mean().round(3)

# %% [markdown]
# **3.** Computers solve the equations by a Cholesky factor $L$. A zero of $Z'Z + D$ can become a non-zero
# of $L$: fill-in. Count it for Pastes with the casks first, and with the batches first. Then for
# Penicillin.

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Nested, with the casks first: no fill-in at all, however many casks there are. With the batches first, the
# casks of a batch become tied to each other. Crossed: fill-in either way, in the block of the factor that
# comes last; so the factor with more levels goes first. That is why crossed factors with many levels are
# the hard case for every program.
#
# </details>


# %%
def filled(matrix):
    """Entries of the Cholesky factor that are not 0, and how many of them were 0 before."""
    C = matrix.T @ matrix + np.eye(matrix.shape[1])
    L = np.abs(np.linalg.cholesky(C.to_numpy())) > 1e-12
    return L.sum(), (L & (np.tril(C) == 0)).sum()


for name, matrix in Z.items():
    for order, columns in (("as above", matrix.columns), ("other factor first", matrix.columns[::-1])):
        entries, new = filled(matrix[columns])
        print(f"{name:10}  {order:18}  {entries:4} entries, {new:3} of them fill-in")

# %% [markdown]
# ## What would change this conclusion
#
# - **If casks of the same name had something in common** (the first cask of each delivery stands at the
#   door), `(1 | cask)` would have a meaning, beside `(1 | batch/cask)`.
# - **If plates treated the samples differently**, an interaction `(1 | plate:sample)` would be needed; with
#   one zone for each pair it cannot be told from the residual.
# - **More batches** would tell their sd; more tests of the same casks would not.
#
# ## Sources
#
# Davies, O. L. and Goldsmith, P. L., eds (1972). *Statistical Methods in Research and Production*, 4th ed.,
# sections 6.5 and 6.6. Bates, D. et al. (2015). Fitting linear mixed-effects models using lme4. *Journal of
# Statistical Software* 67(1), 1-48.

# %%
pen, pas, pas_ml = cases["Penicillin"][0], cases["Pastes"][0], nested.fit("ML")
FOUND = {
    "Penicillin, mean": pen.beta["Intercept"],
    "Penicillin, its standard error": pen.beta_cov.iloc[0, 0] ** 0.5,
    "Penicillin, sd of plates": pen.varcorr()["sdcor"].iloc[0],
    "Penicillin, sd of samples": pen.varcorr()["sdcor"].iloc[1],
    "Penicillin, residual sd": pen.sigma,
    "Pastes, sd of casks": pas.varcorr()["sdcor"].iloc[1],
    "Pastes, sd of batches": pas.varcorr()["sdcor"].iloc[0],
    "Pastes, residual sd": pas.sigma,
    "Pastes, sd of batches by ML": pas_ml.varcorr()["sdcor"].iloc[0],
}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
print(f"{len(EXPECTED)} of {len(EXPECTED)} numbers verified")
