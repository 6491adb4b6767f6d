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
# # 9. Group size matters
#
# **The one question.** A county with 2 measured houses has the highest average radon of the whole state. Is it the county
# with the most radon?
#
# **You need to know** what a weight is (lesson 2). **Time:** 40 minutes in class; the cells run in seconds.
#
# Radon is a radioactive gas that comes out of the ground. The data are 919 houses in the 85 counties of Minnesota.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import blupbayes as bb

radon = bb.load_dataset("radon")
radon.head()

# %% [markdown]
# ## The question
#
# `activity` is the radon in a house. `floor` says where it was measured: 0 in the basement, 1 on the first floor.
# How many houses has a county?

# %%
houses = radon.groupby("county", observed=True).size().rename("houses")
houses.describe()[["count", "min", "50%", "max"]]

# %% [markdown]
# Half of the counties have five houses or fewer; one has more than a hundred. So "the county's average" means very
# different things.
#
# ## Look: first a trap in the data
#
# We want the logarithm of the activity, and there is no logarithm of 0.

# %%
radon[radon["activity"] == 0]

# %% [markdown]
# Three houses of 919. Two ways around them are in circulation, and both are called "log radon":
#
# - put 0.1 in the place of the three zeros, leave all others alone (the textbook's way);
# - add 0.1 to *every* house (as many files on the web have it).

# %%
radon["log_radon"] = np.log(radon["activity"].replace(0.0, 0.1))
radon["other_log"] = np.log(radon["activity"] + 0.1)

fits = {
    name: bb.MixedModel(f"{name} ~ floor + (1 | county)", radon).fit("REML") for name in ("log_radon", "other_log")
}
pd.DataFrame({name: [*fit.beta, *fit.varcorr()["sdcor"]] for name, fit in fits.items()}).set_axis(
    ["intercept", "floor", "sd of counties", "sd of houses"]
).round(3)

# %% [markdown]
# Three houses move every number in the second decimal. Neither coding is wrong; not to say which one was used is. If your
# numbers differ from a book's, look at the coding before you look at the software. From here on: `log_radon`.
#
# ## One equation, two readings
#
# The model: a house's log radon is a statewide mean, plus an effect of the floor, plus an effect $b_j$ of its county, plus
# noise. Two extremes are tempting:
#
# - **no pooling**: each county by its own houses alone;
# - **complete pooling**: one number for the state.
#
# The mixed model lies in between, and *how far* in between depends on the county:
#
# $$\lambda_j = \frac{n_j\,\sigma_b^2}{n_j\,\sigma_b^2 + \sigma^2}$$
#
# is the weight that county $j$ gives to its own $n_j$ houses. *First reading:* the estimate of $b_j$ with the smallest error
# (the BLUP). *Second reading:* a prior, "counties are like other counties", updated by $n_j$ houses.

# %%
model = bb.MixedModel("log_radon ~ floor + (1 | county)", radon)
alone, reml, posterior = model.pool("none"), model.fit("REML"), model.integrate()
side_by_side = bb.compare(alone, reml, posterior)

# %% [markdown]
# The formula by hand, beside the weights of the package:

# %%
sd_county, sd_house = reml.varcorr()["sdcor"]
counties = houses.to_frame()
counties["by hand"] = counties["houses"] * sd_county**2 / (counties["houses"] * sd_county**2 + sd_house**2)
table = side_by_side.to_dataframe()
weights = table.query("component == 'weight' and estimator == 'REML'").set_index("level")["estimate"]
counties["weight"] = weights
counties.loc[["COOK", "LACQUIPARLE", "AITKIN", "DAKOTA", "STLOUIS"]].round(4)

# %% [markdown]
# Two houses decide about a quarter of their county's estimate, sixty houses nearly all of it. The weight does not ask *what* the houses
# say: it is decided by the number of houses and by the two sds.
#
# ## The picture to remember

# %%
means = table.query("component == 'group_mean'").pivot(index="level", columns="estimator", values="estimate")
spread = table.query("component == 'group_mean'").pivot(index="level", columns="estimator", values="uncertainty")
n = houses.loc[means.index].to_numpy() * np.exp(np.random.default_rng(1).uniform(-0.08, 0.08, len(means)))

styles = {
    "no pooling": {"color": "#595959", "marker": "o", "markerfacecolor": "white"},
    "REML": {"color": "#0072B2", "marker": "s"},
}
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, (name, style) in zip(axes, styles.items(), strict=True):
    ax.errorbar(n, means[name], spread[name], fmt="none", ecolor=style["color"], elinewidth=0.7, alpha=0.6)
    ax.plot(n, means[name], linestyle="none", markersize=4, **style)
    ax.axhline(reml.beta["Intercept"], color="black", linewidth=0.8)
    ax.set(xscale="log", xlabel="houses in the county", xticks=[1, 3, 10, 30, 100])
    ax.set_xticklabels(["1", "3", "10", "30", "100"])
    ax.spines[["top", "right"]].set_visible(False)
    tip = (n[means.index.get_loc("LACQUIPARLE")], means.loc["LACQUIPARLE", name])
    ax.annotate("LACQUIPARLE", tip, (5, 3.3), va="center", arrowprops={"arrowstyle": "-", "linewidth": 0.6})
axes[0].set(title="each county alone", ylabel="log radon in the basement")
axes[1].set_title("mixed model (REML)")
few = houses.loc[means.index] <= 3
bb.figure(
    fig,
    alt=(
        "Log radon of 85 counties over their number of houses. Alone, the counties with at most three houses lie between "
        f"{means.loc[few, 'no pooling'].min():.2f} and {means.loc[few, 'no pooling'].max():.2f}, like an open fan; in the "
        f"mixed model they lie between {means.loc[few, 'REML'].min():.2f} and {means.loc[few, 'REML'].max():.2f}. "
        "Counties with many houses hardly move."
    ),
    caption=(
        "Mean log radon (basement) of each county. Bars: one standard error of least squares (left), one root of the "
        "prediction-error variance (right). Line: REML estimate for the state. Houses are moved a little to the sides."
    ),
    data=means,
)

# %% [markdown]
# Left, the fan: the wildest counties, high *and* low, are the small ones. That is noise: a mean of two houses jumps about
# more than a mean of a hundred. Right, the fan is closed: the fewer houses, the closer to the state's line.
#
# And the opening question? LACQUIPARLE is highest on the left, with 2 houses. Who is highest now?

# %%
ranks = means.assign(houses=houses)[["houses", "no pooling", "REML", "integrate"]]
ranks.sort_values("no pooling", ascending=False).head(5).round(2)

# %%
ranks.sort_values("REML", ascending=False).head(5).round(2)

# %% [markdown]
# LACQUIPARLE is still among the high ones, but it has lost the first place to a county with one house more and a lower
# average, and counties with 9 and 14 houses have come up from far below. With bars as long as in the picture, all of these
# ranks are loose.
#
# ## Do BLUP and posterior agree?
#
# REML plugs in one value for the sd of the counties. The posterior sums over all values that the data allow.

# %%
print(bb.compare(reml, posterior).verdict())

# %%
bb.compare(reml, posterior).plot_variances()

# %% [markdown]
# They agree because 85 counties pin their sd down. With six (lessons 3 and 11) they do not.
#
# ## The number to verify
#
# The first line of each row is the textbook's coding, `log_radon`; the second the other one.

# %%
EXPECTED = {  # published textbook analysis (Gelman and Hill 2007), recomputed with lme4; half a unit of the last digit
    "intercept": (1.462, 0.0006),
    "floor": (-0.693, 0.0006),
    "sd of counties": (0.328, 0.0006),
    "sd of houses": (0.756, 0.0006),
    "intercept, other coding": (1.492, 0.0006),
    "floor, other coding": (-0.663, 0.0006),
    "sd of counties, other coding": (0.315, 0.0006),
    "sd of houses, other coding": (0.726, 0.0006),
    "pooled intercept, other coding": (1.362, 0.0006),
    "pooled floor, other coding": (-0.586, 0.0006),
    "sd of counties with uranium, other coding": (0.148, 0.0006),
}

# %% [markdown]
# ## Exercises
#
# **1.** How many houses does a county need before its own data weigh more than the rest of the state?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# $\lambda_j = 1/2$ where $n_j\sigma_b^2 = \sigma^2$: at $n_j = \sigma^2/\sigma_b^2$ houses.
#
# </details>

# %%
needed = sd_house**2 / sd_county**2
print(f"more than {needed:.1f} houses; {np.mean(houses > needed):.0%} of the counties have so many")

# %% [markdown]
# **2.** The soil's uranium is known for each county (`log_uranium`). Put it into the model. What happens to the sd of the
# counties, and to the weights?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Uranium explains most of what differs between counties. What is left has a sd of less than half, so a county's own houses
# weigh less: we shrink more, but toward a better place, the value expected at the county's uranium.
#
# </details>

# %%
with_uranium = bb.MixedModel("log_radon ~ floor + log_uranium + (1 | county)", radon).fit("REML")
left, house = with_uranium.varcorr()["sdcor"]
print(f"sd of counties {sd_county:.3f} -> {left:.3f}")
print(f"weight of five houses {5 / (5 + needed):.2f} -> {5 / (5 + house**2 / left**2):.2f}")

# %% [markdown]
# **3.** A family moves to a county in which no house was measured. What does each of the three approaches predict for its
# basement, and how sure is it?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# No pooling has no answer. The mixed model gives the state's mean, and its spread for a new house counts both sds.
# In a county with two houses the spread is only a little smaller: two houses are soon said.
#
# </details>

# %%
new = pd.DataFrame({"floor": 0.0, "county": ["LACQUIPARLE", "a county without data"]}, index=["two houses", "none"])
reml.predict(new, new_levels="population").round(3)

# %% [markdown]
# **4.** Compare the county means of the two codings. Which county moves most, and why? Which move least?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# FARIBAULT has a house with an activity of 0.1, the smallest above 0: its logarithm goes from -2.30 to -1.61, further than
# that of any other house. The counties with a house at 0 are among those that move least: that house stays at log(0.1).
#
# </details>

# %%
both = {
    name: fit.tidy().query("component == 'group_mean'").set_index("level")["estimate"] for name, fit in fits.items()
}
moves = pd.DataFrame({"moved": both["other_log"] - both["log_radon"], "houses": houses})
moves["lowest activity"] = radon.groupby("county", observed=True)["activity"].min()
moves.sort_values("moved").iloc[[0, 1, -2, -1]].round(3)

# %% [markdown]
# ## What would change this conclusion
#
# - **Where houses were measured because they were suspicious**, the number of houses says something about the radon. The
#   formula thinks that it does not.
# - **If counties differ in their spread between houses**, one $\sigma$ for all is wrong, and so are the weights.
# - **If a decision is about extremes** (warn the highest county), shrunken means are the best guess for each county, but the
#   highest of them is not the best guess of the highest: use the posterior of the ranks.
# - **A predictor of the counties** changes what is shrunk toward (exercise 2).
#
# ## Sources
#
# Price, P. N., Nero, A. V. and Gelman, A. (1996). Bayesian prediction of mean indoor radon concentrations for Minnesota
# counties. *Health Physics* 71, 922-936. Gelman, A. and Hill, J. (2007). *Data Analysis Using Regression and
# Multilevel/Hierarchical Models*. Cambridge University Press, chapter 12.

# %%
pooled = bb.MixedModel("other_log ~ floor + (1 | county)", radon).pool("complete").tidy()
uranium = bb.MixedModel("other_log ~ floor + log_uranium + (1 | county)", radon).fit("REML")
other = fits["other_log"]
FOUND = {
    "intercept": reml.beta["Intercept"],
    "floor": reml.beta["floor"],
    "sd of counties": sd_county,
    "sd of houses": sd_house,
    "intercept, other coding": other.beta["Intercept"],
    "floor, other coding": other.beta["floor"],
    "sd of counties, other coding": other.varcorr()["sdcor"].iloc[0],
    "sd of houses, other coding": other.sigma,
    "pooled intercept, other coding": pooled["estimate"].iloc[0],
    "pooled floor, other coding": pooled["estimate"].iloc[1],
    "sd of counties with uranium, other coding": uranium.varcorr()["sdcor"].iloc[0],
}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
print(f"{len(EXPECTED)} of {len(EXPECTED)} numbers verified")
