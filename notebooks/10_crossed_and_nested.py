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
# **The one question.** Two data sets, two grouping factors in each. In one the factors are crossed, in the other nested.
# Does that need other equations?
#
# **You need to know** Henderson's equations (lesson 1). **Time:** 45 minutes in class; the cells run in seconds.
#
# - **Penicillin**: 6 samples, each tested on each of 24 plates; the diameter (mm) of a zone without bacteria.
# - **Pastes**: 10 batches of a paste, 3 casks from each batch, 2 tests of the strength of each cask.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

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
# This looks just as crossed, and it is not. Cask `a` of batch A and cask `a` of batch B are two casks: the labels start again
# in each batch. A cask belongs to one batch: **nested**. The table cannot know; you must.
#
# In a formula: `(1 | plate) + (1 | sample)` for crossed factors, `(1 | batch/cask)` for nested ones. The slash writes the
# batch into the name of the cask.

# %%
crossed = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", penicillin)
nested = bb.MixedModel("strength ~ 1 + (1 | batch/cask)", pastes)
print(crossed, nested, sep="\n\n")

# %% [markdown]
# ## Look: two patterns
#
# $Z$ has a row for each observation and a column for each level, with a 1 where they belong together. $Z'Z$ counts how often
# two levels meet.

# %%
Z = {
    "Penicillin": pd.get_dummies(penicillin[["plate", "sample"]], dtype=float),
    "Pastes": pd.get_dummies(pastes[["batch", "sample"]], dtype=float),  # here, "sample" is batch and cask, joined
}

# %% [markdown]
# ## The picture to remember

# %%
fig, axes = plt.subplots(
    2, 2, figsize=(7.0, 6.4), width_ratios=(1, 2), layout="constrained", gridspec_kw={"hspace": 0.06}
)
for row, (name, matrix) in zip(axes, Z.items(), strict=True):
    row[0].spy(matrix, markersize=1.6, color="black", aspect="auto")
    row[1].spy(matrix.T @ matrix, markersize=4.0, color="black")
    first = sum(column.startswith(("plate", "batch")) for column in matrix.columns)
    for ax, lines in ((row[0], (ax_v := ["axvline"])), (row[1], ["axvline", "axhline"])):
        for line in lines:
            getattr(ax, line)(first - 0.5, color="#0072B2", linewidth=1.2)
        ax.set(xticks=[], yticks=[])
    row[0].set(title=f"{name}: Z", ylabel="observations")
    row[1].set_title(f"{name}: Z'Z")
patterns = bb.figure(
    fig,
    alt=(
        "Patterns of Z and Z'Z. Penicillin, crossed: the block of plates by samples in Z'Z is full. Pastes, nested: the "
        "block of batches by casks is a staircase, three casks to a batch, and empty elsewhere."
    ),
    caption=(
        "Entries that are not 0. A blue line parts the levels of the first factor (plates, batches) from those of the "
        "second (samples, casks)."
    ),
)
patterns
