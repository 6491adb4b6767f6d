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
# %% [markdown]
# # 4. Zero is an estimate
#
# **Question.** The program says that the variance of the batches is 0. Are the batches equal?
#
# **Data.** dyestuff2
#
# **You need.** Lessons 2 and 3.
#
# **Time.** 30 minutes with the exercises.

# %% [markdown]
# ## The question
#
# Box and Tiao made up these data, to be looked at beside Dyestuff: six batches, five measurements each. Fit them. The text in the
# box is no error: it is what you have to know about this fit.

# %%
import numpy as np
import pandas as pd
from scipy.stats import f

import blupbayes as bb

data = bb.load_dataset("dyestuff2")
model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", data)
reml = model.fit("REML")
print(reml.variances)

# %% [markdown]
# Some programs call this fit singular, some warn, some have stopped there. Is it a failure? Should the batches be left out
# of the model? Say what you would do, before you go on.

# %% [markdown]
# ## Look

# %%
means = data.groupby("Batch", observed=True)["Yield"].mean()
means.round(2).to_frame("mean yield").T

# %% [markdown]
# The means are *not* equal: they go from 3.8 to 7.5. But means of five measurements differ even if all batches are the same.
# Do they differ more than that? Lesson 3 has the arithmetic:

# %%
msb = 5 * ((means - data["Yield"].mean()) ** 2).sum() / 5
msw = ((data["Yield"] - data.groupby("Batch", observed=True)["Yield"].transform("mean")) ** 2).sum() / 24
anova = (msb - msw) / 5
print(f"MSB {msb:.3f}   MSW {msw:.3f}   ANOVA estimate of the variance {anova:.3f}")

# %% [markdown]
# They differ *less* than chance alone would make them differ on average. The classical estimate is a negative variance. There is no
# such thing, so the likelihood takes the nearest value there is, and that is 0. Nothing has failed:

# %%
print(reml.certificate)

# %% [markdown]
# ## What zero does
#
# With $\sigma_b = 0$ the weight of lesson 2 is 0: every batch gets the mean of all. *Complete pooling*, and with perfect
# confidence: the spread of each $b_j$ is 0, too.

# %%
print(reml.ranef().round(3).to_string(index=False))
reml.summary()[["estimate", "se"]].round(4)

# %% [markdown]
# Now the question of this lesson. What do the data say about values *other* than zero? Two answers. The first is the
# profile interval: all values of the sd that the likelihood does not mind much.

# %%
reml.confint().loc[["sd_Batch[Intercept]"], ["estimate", "ci_lb", "ci_ub", "ci_kind", "note"]].round(3)

# %% [markdown]
# An sd of 2 is still within. With 2, batches would differ by more than half of the residual sd. The second answer is the posterior, here with flat
# priors on both sds, so that the data speak alone:

# %%
flat = bb.Prior(sd="HalfFlat", residual="HalfFlat")
posterior = model.integrate(flat)
both = bb.compare(reml, posterior)
posterior.summary()[["median", "mean", "eti95_lb", "eti95_ub"]].round(3)

# %% [markdown]
# ## The picture to remember
#
# The square is the estimate: 0. The curve is what is known.

# %%
both.plot_variances()

# %% [markdown]
# In the left panel, zero is the highest point, and that is all that an estimate says. To the right of it lies everything else: the
# posterior has *no lump at 0*, and half of it is above .89.
#
# What this does to the batches:

# %%
both.plot_densities()

# %% [markdown]
# The arrows are what is left of six uncertain batch means after a variance was estimated as 0 and then believed: a point. The dotted curves count
# the error of the common mean, the solid ones everything. A batch mean has a posterior sd of 1.1 to 1.2, not .68.

# %%
print(both.verdict())

# %% [markdown]
# ## A prior that looks harmless
#
# A variance is often given an inverse-gamma prior with two tiny numbers, "to be uninformative". Here is what it does, beside two others:

# %%
priors = {
    "flat": "HalfFlat",
    "half-normal(4)": "HalfNormal(4)",
    "IG(.001, .001)": "InverseGamma(.001, .001) on variance",
}
answers = {name: model.integrate(bb.Prior(sd=sd, residual="HalfFlat")) for name, sd in priors.items()}
sd = "sd_Batch[Intercept]"
rows = {name: [*a.quantile(sd, [0.5, 0.975]), a.cdf(sd, 0.1)] for name, a in answers.items()}
table = pd.DataFrame(rows, index=["median", "97.5 %", "P(sd < .1)"]).T
table.round(3)

# %% [markdown]
# Two priors agree about the middle. The "uninformative" one has a spike next to 0, and puts a quarter of the posterior there. Where data
# say little, a prior that is not looked at decides. Lessons 7 and 12 go on from here.
#
# There is also a way to stay with *one* number and avoid 0: a mild penalty that vanishes at 0 pushes the estimate off the boundary
# (the R package blme does so by default).

# %%
mode = model.mode()
print(mode.variances)

# %% [markdown]
# ## The number to verify
#
# $(8.336 - 14.946)/5 = -1.322$. Whenever you see an sd of exactly 0, look for such a sum.

# %% [markdown]
# ## Exercises
#
# **1.** Suppose that batches do differ, and that they make 5 %, 20 % or 42 % of the variance of a measurement (42 % is Dyestuff). How often is the REML
# estimate 0 nevertheless, with six batches of five? (MSB/MSW, divided by $1 + 5\sigma_b^2/\sigma^2$, has an F distribution with 5 and 24
# degrees of freedom.)
#
# **2.** Add 1, 2, 3 to every measurement of batch C. When does the estimate leave 0? What does the posterior do meanwhile?
#
# **3.** A colleague drops `(1 | Batch)`, "since its variance is 0". What is the standard error of the mean then, and what is it when the
# variance is not known?
#
# **4.** Is the mean yield itself affected?

# %% [markdown]
# ### Answer 1
#
# In 43 of 100 experiments, 19, and 5. A zero is what a small study of small differences often gives. It is no evidence that they
# are not there.

# %%
chance = {share: f.cdf(1 / (1 + 5 * share / (1 - share)), 5, 24) for share in (0.05, 0.20, 0.42)}
{share: round(float(p), 3) for share, p in chance.items()}

# %% [markdown]
# ### Answer 2
#
# The estimate stays at 0 until somewhere between 1 and 2, then runs off. The posterior median moves smoothly all the time. A step from "none" to
# "some" is a property of the estimator, not of the batches.

# %%
rows = {}
for more in (0, 1, 2, 3):
    changed = data.assign(Yield=data["Yield"] + more * (data["Batch"] == "C"))
    again = bb.MixedModel("Yield ~ 1 + (1 | Batch)", changed)
    rows[f"+{more}"] = [again.fit().variances.sd("Batch").iloc[0], again.integrate(flat).quantile(sd, 0.5)]
pd.DataFrame(rows, index=["REML", "posterior median"]).T.round(2)

# %% [markdown]
# ### Answer 3
#
# Without batches, the 30 measurements count as independent: .678. So it is in the REML fit, which believes its 0. If the variance is not known, the
# sd of the mean is .99 under flat priors. Dropping the term does not change the fit; it hides what was assumed.

# %%
dropped = data["Yield"].std() / np.sqrt(30)
se = reml.beta_cov.iloc[0, 0] ** 0.5
print(round(dropped, 3), round(se, 3), posterior.summary().loc["beta[Intercept]", "sd"].round(3))

# %% [markdown]
# ### Answer 4
#
# No: 5.6656 everywhere. In a balanced design the mean does not depend on the variances. In an unbalanced one it would.

# %% [markdown]
# ## What would change this conclusion
#
# - **More batches.** The width of the posterior is that of six. Sixty batches with such means would bring it close to 0.
# - **Knowledge.** If an sd above 2 is out of the question for a chemist, a prior says so. Then it is an assumption with a name.
# - **Negative correlation.** Where members of a group compete (piglets at one trough), they *are* less alike than strangers. Then a negative
#   covariance is real, and a random intercept is the wrong model.

# %%
# ANOVA by hand; REML, ML profile: lme4; the penalised mode: blme; flat and IG: a grid, rounded to two digits.
EXPECTED = {
    "MSB": (8.336, 0.0005),
    "MSW": (14.946, 0.0005),
    "ANOVA variance": (-1.322, 0.0005),
    "REML sd of batches": (0.0, 1e-9),
    "REML sigma": (3.716, 0.0005),
    "mean": (5.6656, 0.00005),
    "se of the mean": (0.678, 0.0005),
    "profile, upper": (2.084, 0.0005),
    "penalised mode": (1.489, 0.0005),
    "flat, median": (0.90, 0.01),
    "flat, 97.5 %": (4.04, 0.01),
    "half-normal(4), mean": (1.05, 0.005),
    "IG, median": (0.23, 0.01),
    "P(0) at 5 %": (0.436, 0.011),
}

# %% [markdown]
# ## Sources
#
# - Data: G. E. P. Box and G. C. Tiao (1973), *Bayesian Inference in Statistical Analysis*, section 5.1.2 (simulated by the authors).
# - Penalty: Y. Chung, S. Rabe-Hesketh, V. Dorie, A. Gelman and J. Liu (2013), A nondegenerate penalized likelihood estimator for
#   variance parameters in multilevel models, *Psychometrika* 78, 685-709.
# - Inverse gamma: A. Gelman (2006), Prior distributions for variance parameters in hierarchical models, *Bayesian Analysis* 1, 515-534.
#
# The last cells check the numbers of this lesson; they are silent if they are right.

# %%
FOUND = {"MSB": msb, "MSW": msw, "ANOVA variance": anova, "P(0) at 5 %": chance[0.05]}
FOUND |= {"REML sd of batches": reml.variances.sd("Batch").iloc[0], "REML sigma": reml.sigma}
FOUND |= {"mean": reml.beta.iloc[0], "se of the mean": se, "profile, upper": reml.confint().loc[sd, "ci_ub"]}
FOUND |= {"penalised mode": mode.variances.sd("Batch").iloc[0]}
FOUND |= {"flat, median": table.loc["flat", "median"], "flat, 97.5 %": table.loc["flat", "97.5 %"]}
FOUND |= {"half-normal(4), mean": answers["half-normal(4)"].summary().loc[sd, "mean"]}
FOUND |= {"IG, median": table.loc["IG(.001, .001)", "median"]}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
