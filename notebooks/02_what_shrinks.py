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
# # 2. What shrinks, and by how much
#
# **Question.** How far is a group's own mean pulled towards the mean of all?
#
# **Data.** rail, dyestuff
#
# **You need.** Lesson 1: the model $y = \beta + b_j + e$, and that BLUP and posterior mean are one equation.
#
# **Time.** 30 minutes with the exercises.

# %% [markdown]
# ## The question
#
# Six batches of an intermediate product were each made into dyestuff five times, and the yield was measured. Batch E has
# the best mean, 1600 grams. You are asked what batch E will yield next time. Do you say 1600?
#
# Write your number down before you go on.

# %% [markdown]
# ## Look

# %%
import matplotlib.pyplot as plt
import numpy as np

import blupbayes as bb

dyestuff, rail = bb.load_dataset("dyestuff"), bb.load_dataset("rail")
batches = bb.MixedModel("Yield ~ 1 + (1 | Batch)", dyestuff)
rails = bb.MixedModel("travel ~ 1 + (1 | Rail)", rail)
raw = dyestuff.groupby("Batch", observed=True)["Yield"].mean()
raw.to_frame("mean yield (g)").T

# %%
reml = batches.fit("REML")
print(reml.variances)
reml.summary()[["estimate", "se"]].round(2)

# %% [markdown]
# Two standard deviations tell the story. Batches differ by 42 g; two measurements of the *same* batch by 49.5 g. So a part
# of what makes E look good is the luck of five measurements. And of six batches, the best-looking one has had luck more
# often than not.
#
# ## By hand
#
# A mean of five measurements varies for two reasons: batches differ ($\sigma_b^2$), and measurements have errors
# ($\sigma^2/5$). The share of the first is the **weight**
#
# $$\lambda = \frac{\sigma_b^2}{\sigma_b^2 + \sigma^2/n} = \frac{n\,\sigma_b^2}{n\,\sigma_b^2 + \sigma^2}.$$

# %%
sd_b, sd_e = reml.variances.sd("Batch").iloc[0], reml.variances.residual
weight = 5 * sd_b**2 / (5 * sd_b**2 + sd_e**2)
print(f"5 x {sd_b**2:.2f} / (5 x {sd_b**2:.2f} + {sd_e**2:.2f}) = {weight:.4f}")

# %% [markdown]
# The BLUP keeps this share of the distance to the mean of all, and gives back the rest:

# %%
by_hand = raw.mean() + weight * (raw - raw.mean())
blup = reml.group_means().set_index("level")["estimate"]
print("by hand:", by_hand.round(1).to_dict())
print("package:", blup.round(1).to_dict())

# %% [markdown]
# So the answer for batch E is 1584, not 1600. What did you write?
#
# ## The picture to remember
#
# Open circles: each batch alone. Squares: BLUP. Everything moves towards the dashed line, and what is far moves far.

# %%
both = bb.compare(reml, batches.integrate())
both.plot_shrinkage()

# %% [markdown]
# The black points are the full posterior: it does not know the variances, and moves a little further. Why is for lesson 12; that
# their bars are honest and the squares' would be too short, for lesson 11.
#
# Now Rail: rails differ by 24.8 ns, measurements of one rail by 4. What will the picture look like?

# %%
bb.compare(rails.fit("REML"), rails.integrate()).plot_shrinkage()

# %% [markdown]
# Almost nothing moves: three times tell nearly all about a rail, and $\lambda = .991$. The right panel has its own scale, or
# there would be nothing to see. Shrinkage is not a habit of the method. It is as much as the data ask for.
#
# ## Between two extremes
#
# Multiply the sd of the batches by $\tau$. At $\tau = 0$ batches are equal, and all get one mean (*complete pooling*). At
# $\tau = \infty$ each stands alone (*no pooling*). REML is at 1. There is one curve, and everybody is on it somewhere.

# %%
both.plot_pooling_path()

# %% [markdown]
# ## More measurements, less shrinkage

# %%
n = np.arange(1, 31)
fig, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
for name, ratio, own, style in (("Rail", 615.31 / 16.167, 3, "-"), ("Dyestuff", 1764.05 / 2451.25, 5, "--")):
    curve = n * ratio / (n * ratio + 1)
    ax.plot(n, curve, style, color="#0072B2")
    ax.plot(own, curve[own - 1], "s", color="#0072B2")
    ax.annotate(
        f"{name}, n = {own}: {curve[own - 1]:.3f}", (own, curve[own - 1]), (own + 1, curve[own - 1] - 0.08)
    )
ax.set(xlabel="measurements of a group, n", ylabel="weight", ylim=(0, 1.02))
bb.figure(
    fig,
    alt="The weight rises with n: for Rail from .97 at n = 1, for Dyestuff from .42 at n = 1 to .78 at n = 5 and .96 at 30.",
    caption="Weight of a group's own mean by its number of measurements, at the REML variances. Squares: as measured.",
)

# %% [markdown]
# ## The number to verify
#
# With a pocket calculator: $3 \cdot 615.31 / (3 \cdot 615.31 + 16.17)$, and the same for Dyestuff with 5, 1764.05 and 2451.25.

# %%
print(
    "Rail",
    rails.fit().weights()["estimate"][0].round(4),
    "  Dyestuff",
    reml.weights()["estimate"][0].round(4),
)

# %% [markdown]
# ## Exercises
#
# **1.** How many measurements of a batch would make the weight .9?
#
# **2.** Somebody loses four of the five measurements of batch E, and the one that is left is the best of them. What happens to E,
# and to the others? (`batches.drop(rows)` gives the model without them; `.solve(reml)` keeps the variances.)
#
# **3.** ML estimates the sd of the batches as 37.26 instead of 42.00. Do the means shrink more or less?
#
# **4.** The sd of the six BLUPs is not 42. Is it larger or smaller? Is that a mistake?

# %% [markdown]
# ### Answer 1
#
# $\lambda = .9$ means $n\sigma_b^2 = 9\sigma^2$, so $n = 9 \cdot 2451.25/1764.05 = 12.5$: thirteen.

# %%
print(round(9 * sd_e**2 / sd_b**2, 1), " weight with 13:", round(13 * sd_b**2 / (13 * sd_b**2 + sd_e**2), 3))

# %% [markdown]
# ### Answer 2
#
# E now speaks with one voice, 1635, and with weight .42 instead of .78. Its BLUP falls from 1584 to 1571, although what is left of E
# looks better than before: the more surprising a mean and the less behind it, the less it is believed. The others hardly move.

# %%
of_e = dyestuff.query("Batch == 'E'")["Yield"]
fewer = batches.drop(of_e.drop(of_e.idxmax()).index.tolist()).solve(reml)
print("kept:", of_e.max(), "  weight:", round(sd_b**2 / (sd_b**2 + sd_e**2), 3))
fewer.group_means().set_index("level")["estimate"].round(1).to_frame("one E").assign(all=blup.round(1)).T

# %% [markdown]
# ### Answer 3
#
# More: a smaller sd of the batches says that they are more alike. The weight falls to .739.

# %%
ml = batches.fit("ML")
print(ml.weights()["estimate"][0].round(3), ml.group_means()["estimate"].round(1).tolist())

# %% [markdown]
# ### Answer 4
#
# Smaller, and no mistake. What was taken from the BLUPs has gone into their uncertainty: the sd of the batches is not the sd of our best
# guesses about them. Never estimate $\sigma_b$ from BLUPs.

# %%
print(
    "sd of the BLUPs",
    blup.std().round(1),
    "  sd of the raw means",
    raw.std().round(1),
    "  REML",
    round(sd_b, 1),
)

# %% [markdown]
# ## What would change this conclusion
#
# - **A reason why E is better.** Shrinkage assumes that, before looking, no batch was special. If E came from a new supplier,
#   give the model that column, and E shrinks towards its own kind.
# - **Other variances.** $\lambda = .78$ is an estimate from six batches. The posterior says how well it is known:

# %%
batches.sensitivity({"flat": "flat"}).table()

# %% [markdown]
#   The mean weight is .73 or .78, but anything from .2 to .97 goes with these data.
# - **Another definition.** Some authors call $1 - \lambda$ the shrinkage, some use sds instead of variances. Here *weight* is
#   always the share of its own information that a group keeps.

# %%
# Dyestuff and Rail: the ANOVA of the balanced one-way layout, and lme4 in R, which agree.
EXPECTED = {
    "weight Rail": (0.9913, 0.0001),
    "weight Dyestuff": (0.7825, 0.0001),
    "variance of batches": (1764.05, 0.01),
    "residual variance": (2451.25, 0.01),
    "mean": (1527.5, 0.001),
    "se of the mean": (19.38, 0.005),
    "ML sd of batches": (37.26, 0.005),
    "BLUP of E": (1584.2, 0.05),
    "BLUP of F": (1482.5, 0.05),
}

# %% [markdown]
# ## Sources
#
# - Dyestuff: O. L. Davies and P. L. Goldsmith, eds (1972), *Statistical Methods in Research and Production*, 4th ed., section 6.4.
# - Rail: J. L. Devore (2000), *Probability and Statistics for Engineering and the Sciences*, 5th ed., Example 10.10.
# - B. Efron and C. Morris (1977), Stein's paradox in statistics, *Scientific American* 236(5), 119-127: lesson 5.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
FOUND = {
    "weight Rail": rails.fit().weights()["estimate"][0],
    "weight Dyestuff": reml.weights()["estimate"][0],
    "variance of batches": sd_b**2,
    "residual variance": sd_e**2,
    "mean": reml.beta.iloc[0],
    "se of the mean": reml.beta_cov.iloc[0, 0] ** 0.5,
    "ML sd of batches": ml.variances.sd("Batch").iloc[0],
    "BLUP of E": blup["E"],
    "BLUP of F": blup["F"],
}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
