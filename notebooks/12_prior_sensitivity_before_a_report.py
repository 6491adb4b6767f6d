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
# # 12. Prior sensitivity before a report
#
# **Question.** The report is written. Which of its numbers come from the data, and which from my prior?
#
# **Data.** `dyestuff`: 6 batches, 5 yields (g) of each. `rail`: 6 rails, 3 travel times (ns) of each.
#
# **You need to know** what a weight is (lesson 2), and that a prior on a sd can matter (lesson 7).
#
# **Time.** 40 minutes in class; the cells run in seconds.

# %%
import textwrap

import pandas as pd
from matplotlib.figure import Figure

import blupbayes as bb

dyestuff = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))

# %% [markdown]
# ## The question
#
# Both data sets have six groups. Six groups say little about *the sd of the groups*, so a prior on that sd
# may matter. But does it matter for what you report, the means of the groups? Ask before a reviewer does:
# **answer once more under other priors, and look at what moves.**
#
# ## Look: five priors on the sd of the batches
#
# Three that a careful person might take, one that is too sure of small differences, and one that was once
# called "non-informative".

# %%
s_y = bb.load_dataset("dyestuff")["Yield"].std()
priors = {
    "flat": "flat",
    "HalfCauchy(50)": "HalfCauchy(50)",
    "HalfNormal(2.5 s_y)": f"HalfNormal({2.5 * s_y})",
    "HalfNormal(10)": "HalfNormal(10)",
    "IG(.001, .001)": "InverseGamma(.001, .001) on variance",
}
found = dyestuff.sensitivity(priors)
found.table()

# %% [markdown]
# Read it line by line: the sd of the batches (median and 95 % interval), the weight of a batch's own data,
# the means of the lowest and the highest batch. The first line is REML with its profile interval; the others
# are posteriors. "Default prior" is what the package takes if you say nothing; the five are held against it.
#
# ## The picture to remember

# %%
found.plot()

# %% [markdown]
# The raw means of F and E are 1470 and 1600. Under `HalfNormal(10)` the batches are pulled together: the
# prior says that they cannot differ much, and six batches cannot contradict. Under IG(.001, .001) the
# interval of the weight reaches from 0 to 1.
#
# ## The verdict, and its rules

# %%
for sentence in found.verdict().splitlines():
    print(textwrap.fill(sentence, 100, subsequent_indent="    "))

# %% [markdown]
# The rules are written down, so that nobody has to trust an eye. A prior is called **prior-driven**
#
# 1. if it moves a group mean by more than half a posterior sd, or
# 2. if the mean weight leaves the range that REML's profile interval allows, or
# 3. if it holds sds above that interval for all but impossible (less than 5 % of its mass).
#
# And **spike at 0**, if a lump of the posterior sits at an sd of nearly 0.
#
# Where does the spike come from? Look at the probability of an sd below 1 g, when the batches differ by 130
# g:

# %%
below = {name: posterior.cdf("sd_Batch[Intercept]", 1.0) for name, posterior in found.posteriors.items()}
pd.Series(below, name="P(sd < 1 g)").round(4)

# %% [markdown]
# IG(.001, .001) piles its mass up at 0. "Small numbers in the prior" are not "little information in the
# prior".
#
# ## The same questions, another answer: Rail

# %%
s_rail = bb.load_dataset("rail")["travel"].std()
kinds = {
    "flat": "flat",
    "HalfCauchy(50)": "HalfCauchy(50)",
    "HalfNormal(2.5 s_y)": f"HalfNormal({2.5 * s_rail})",
    "HalfNormal(5)": "HalfNormal(5)",
    "IG(.001, .001)": "InverseGamma(.001, .001) on variance",
}
rails = rail.sensitivity(kinds)
rails

# %% [markdown]
# The sd of the rails is as uncertain as that of the batches: its upper limit runs from 20 to 80. But the
# group means stay where they are. Why? Three times tell a rail's mean so well (weights near .99) that it
# does not matter whether the sd of the rails is 15 or 30.
#
# **Shrinkage robust, variance component not**: both halves of that sentence belong into the report.
#
# ## From five priors to all of them
#
# Let the scale of a half-normal prior run through the values, and look at the mean weight:

# %%
models = {"dyestuff": (dyestuff, s_y), "rail": (rail, s_rail)}
shares = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20]
paths = {}
for name, (model, scale) in models.items():
    path = model.prior_scale_path("HalfNormal", [share * scale for share in shares])
    paths[name] = path.query("component == 'weight'").set_index(pd.Index(shares, name="scale / s_y"))
pd.DataFrame({name: path["estimate"] for name, path in paths.items()}).round(3)

# %%
styles = {"dyestuff": {"color": "#0072B2", "marker": "s"}, "rail": {"color": "#000000", "marker": "o"}}
fig = Figure(figsize=(6.5, 3.4), layout="constrained")
ax = fig.subplots()
for name, path in paths.items():
    ax.plot(path.index, path["estimate"], label=name, **styles[name])
    band = {"color": styles[name]["color"], "alpha": 0.15, "linewidth": 0}
    ax.fill_between(path.index, path["ci_lb"], path["ci_ub"], **band)
    ax.annotate(name, (0.55, path.loc[0.5, "estimate"] - 0.09), color=styles[name]["color"])
ax.set(xscale="log", xlabel="scale of the half-normal prior / sd of y")
ax.set_xticks([0.02, 0.1, 0.5, 2, 20], ["0.02", "0.1", "0.5", "2", "20"])
ax.set(ylim=(0, 1.02), ylabel="mean weight of own data")
ax.spines[["top", "right"]].set_visible(False)
ends = {name: path["estimate"].iloc[[2, -1]].round(2).tolist() for name, path in paths.items()}
bb.figure(
    fig,
    alt=(
        "Mean weight over the scale of the prior. From a tenth of the sd of y to 20 times it, the weight of a "
        f"dyestuff batch goes from {ends['dyestuff'][0]} to {ends['dyestuff'][1]}, that of a rail from "
        f"{ends['rail'][0]} to {ends['rail'][1]}."
    ),
    caption=(
        "Posterior mean of the weight under HalfNormal priors of many scales. Bands: 95 % equal-tailed "
        "posterior intervals."
    ),
)

# %% [markdown]
# To the right both lines are flat: every wide prior gives one answer, and there is no need to defend one.
# To the left the prior takes over; dyestuff gives in early, rail resists until the prior all but forbids
# that rails differ. Report where your own prior stands on such a line.
#
# ## What to write
#
# The methods text names the prior; add the verdict, and the line of the most extreme prior that a reader
# may hold.

# %%
words = bb.compare(rail.fit("REML"), rails.posteriors["default prior"]).methods_text()
*paragraphs, versions = words.split("\n\n")  # the last one names versions: put it into your report, too
for paragraph in [*paragraphs, rails.verdict().splitlines()[0]]:
    print(textwrap.fill(paragraph, 100), end="\n\n")

# %% [markdown]
# ## The number to verify

# %%
EXPECTED = {  # quadrature on a grid by another program, residual sd flat; profile limits (of ML): lme4
    "dyestuff, REML sd": (42.0, 0.06),
    "dyestuff, lower profile limit": (12.2, 0.06),
    "dyestuff, upper profile limit": (84.1, 0.06),
    "flat, sd": (50.5, 0.06),
    "flat, weight": (0.778, 0.002),
    "flat, batch E": (1583.9, 0.25),
    "flat, batch F": (1482.8, 0.25),
    "HalfCauchy(50), sd": (41.6, 0.06),
    "HalfCauchy(50), weight": (0.710, 0.002),
    "HalfNormal(2.5 s_y), sd": (48.9, 0.06),
    "HalfNormal(2.5 s_y), weight": (0.768, 0.002),
    "HalfNormal(10), sd": (12.5, 0.06),
    "HalfNormal(10), weight": (0.218, 0.002),
    "HalfNormal(10), batch E": (1543.3, 0.25),
    "HalfNormal(10), batch F": (1515.0, 0.25),
    "IG(.001, .001), sd": (35.0, 0.06),
    "IG(.001, .001), weight": (0.568, 0.002),
    "rail, smallest weight": (0.966, 0.002),
    "rail, largest weight": (0.991, 0.002),
    "rail, smallest upper limit of the sd": (20, 0.5),
    "rail, largest upper limit of the sd": (80, 0.5),
}

# %% [markdown]
# ## Exercises
#
# **1.** A chemist has seen hundreds of batches: their sd is about 30 g, give or take 10. Put that in as a
# prior, Gamma(9, 0.3). Is the answer prior-driven? Is that bad?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# It is: the interval of the sd is narrower than six batches could ever make it, and by rule 3 the prior all
# but excludes what REML's interval allows. That is not bad. It is what knowledge is for. But it has to be
# said, and where the knowledge is from.
#
# </details>

# %%
chemist = dyestuff.sensitivity({"chemist": "Gamma(9, 0.3)"})
chemist

# %% [markdown]
# **2.** Is the trouble with IG(.001, .001) that .001 is too large? Try .1, .01, .001 and .0001.

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# No: the smaller the number, the more of the posterior lies at 0. There is no limit to go to; "small
# enough" does not exist.
#
# </details>

# %%
smaller = {f"IG({e}, {e})": f"InverseGamma({e}, {e}) on variance" for e in (0.1, 0.01, 0.001, 0.0001)}
posteriors = dyestuff.sensitivity(smaller).posteriors
pd.Series(
    {name: posteriors[name].cdf("sd_Batch[Intercept]", 1.0) for name in smaller}, name="P(sd < 1 g)"
).round(3)

# %% [markdown]
# **3.** A second check needs no other prior: raise each prior to a power near 1 and see how far the answers
# move, in posterior sds (power-scaling). Does it agree with the verdict?

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Yes: the sd of the batches moves most under the two priors that the verdict has flagged. A flat prior
# cannot be scaled: its row is 0 by definition, which is no proof of innocence. Only the priors of the
# parameters on top (mean and sds) are scaled, not that of the group effects: that one is the model.
#
# </details>

# %%
found.power_scaling().xs("sd_Batch[Intercept]", level="parameter")[["mean_in_sd", "distance"]].round(3)

# %% [markdown]
# ## What would change this conclusion
#
# - **More groups.** With 85 counties (lesson 9) all of these priors would give one answer.
# - **Another question.** If the sd itself is the result (how much do rails differ?), Rail is *not* robust.
# - **Another set of priors.** Robust means: to these priors. A set without a single opinionated member is
#   no test.
# - **A model that is wrong** is not healed by any of them: all five share the same likelihood.
#
# ## Sources
#
# Gelman, A. (2006). Prior distributions for variance parameters in hierarchical models. *Bayesian Analysis*
# 1, 515-534. Kallioinen, N. et al. (2024). Detecting and diagnosing prior and likelihood sensitivity with
# power-scaling. *Statistics and Computing* 34, 57. Data: Davies and Goldsmith (1972), section 6.4; Devore
# (2000), example 10.10.

# %%
frame = found.to_dataframe()
keys = (frame["component"].replace("group_mean", "batch") + " " + frame["level"]).str.strip()
FOUND = dict(zip(frame["prior"] + ", " + keys, frame["estimate"], strict=True))
FOUND["dyestuff, REML sd"] = FOUND["REML plug-in, sd"]
limits = dyestuff.fit("REML").confint("profile").loc["sd_Batch[Intercept]"]
FOUND |= {"dyestuff, lower profile limit": limits["ci_lb"], "dyestuff, upper profile limit": limits["ci_ub"]}
own = rails.to_dataframe().query("prior in @kinds")
weights, uppers = own.query("component == 'weight'")["estimate"], own.query("component == 'sd'")["ci_ub"]
FOUND |= {"rail, smallest weight": weights.min(), "rail, largest weight": weights.max()}
FOUND["rail, smallest upper limit of the sd"] = uppers.min()
FOUND["rail, largest upper limit of the sd"] = uppers.max()
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
print(f"{len(EXPECTED)} of {len(EXPECTED)} numbers verified")
