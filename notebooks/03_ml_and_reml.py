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
# # 3. ML, REML and why 5 is not 6
#
# **Question.** Two estimates of the same variance, 512 and 615: which one, and why do they differ?
#
# **Data.** rail, dyestuff
#
# **You need.** Lesson 2. What a likelihood is: the probability of the data, read as a function of the unknowns.
#
# **Time.** 35 minutes with the exercises.

# %% [markdown]
# ## The question
#
# Fit the rails twice, by *maximum likelihood* (ML) and by *restricted maximum likelihood* (REML):

# %%
import matplotlib.pyplot as plt
import numpy as np

import blupbayes as bb

rail, dyestuff = bb.load_dataset("rail"), bb.load_dataset("dyestuff")
rails = bb.MixedModel("travel ~ 1 + (1 | Rail)", rail)
batches = bb.MixedModel("Yield ~ 1 + (1 | Batch)", dyestuff)
for method in ("ML", "REML"):
    print(method, rails.fit(method).variances, sep="\n")

# %% [markdown]
# The residual variance is the same. The variance between rails is a fifth larger by REML. Same data, same model. Which
# estimate would you report?

# %% [markdown]
# ## Look
#
# You have met this before. For the variance of numbers $x_1, \ldots, x_a$, maximum likelihood divides the sum of squares by $a$; your
# first course in statistics divided by $a - 1$, since the mean had to be estimated, too. Six batches: 6 or 5?
#
# Compute the two mean squares of an analysis of variance, between batches (divided by 5) and within (divided by 24):


# %%
def squares(y, group):
    means = y.groupby(group, observed=True).transform("mean")
    return ((means - y.mean()) ** 2).sum(), ((y - means) ** 2).sum()  # between, within


between, within = squares(dyestuff["Yield"], dyestuff["Batch"])
msb, msw = between / 5, within / 24
print(f"MSB {msb:.1f}   MSW {msw:.2f}")

# %% [markdown]
# The mean of five measurements has variance $\sigma_b^2 + \sigma^2/5$. So MSB, five times that, has expectation $5\sigma_b^2 + \sigma^2$,
# and MSW has $\sigma^2$. Solve for $\sigma_b^2$; once as it stands, once with 6 in place of 5:

# %%
print("divisor 5:", round((between / 5 - msw) / 5, 2), "  divisor 6:", round((between / 6 - msw) / 5, 2))
for method in ("REML", "ML"):
    print(method, round(batches.fit(method).variances.sd("Batch").iloc[0] ** 2, 2))

# %% [markdown]
# That is all. In a balanced design like this one, REML is the classical analysis of variance, and ML divides by the number of batches.
#
# ## Two likelihoods, side by side
#
# With the same number of measurements everywhere, minus twice the log-likelihood is short enough to write down. With
# $v = \sigma^2 + 5\sigma_b^2$,
#
# $$24 \log \sigma^2 + d \log v + \frac{\mathrm{within}}{\sigma^2} + \frac{\mathrm{between}}{v}, \qquad d = 6 \text{ for ML},\ d = 5 \text{ for REML},$$
#
# plus a constant. One digit differs. For each sd of the batches, take the best $\sigma$, and draw what is left:


# %%
def deviance(sds, d):
    sigma2 = np.linspace(1000, 8000, 1401)
    v = sigma2 + 5 * sds[:, None] ** 2
    return (24 * np.log(sigma2) + d * np.log(v) + within / sigma2 + between / v).min(axis=1)


ml = deviance(np.array([37.2603]), 6)[0] + 30 * np.log(2 * np.pi)
print("by hand", round(ml, 3), "  fit", round(batches.fit("ML").criterion, 3))

# %% [markdown]
# ## The picture to remember

# %%
sds = np.linspace(0, 110, 441)
fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for name, d, colour, style, marker in (("ML", 6, "#D55E00", ":", "^"), ("REML", 5, "#0072B2", "--", "s")):
    rise = deviance(sds, d) - deviance(sds, d).min()
    ax.plot(sds, rise, style, color=colour, label=f"{name}, d = {d}", linewidth=2)
    ax.plot(sds[rise.argmin()], 0, marker, color=colour, clip_on=False)
ax.axhline(3.84, color="#595959", linewidth=0.8)
ax.annotate("3.84: the 95 % point of chi-square", (55, 4), color="#595959")
ax.set(xlabel="sd of batches (g)", ylabel="-2 log likelihood, above its lowest", ylim=(0, 8))
ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(0.8, 1))
bb.figure(
    fig,
    alt="ML is lowest at 37.3, REML at 42.0. ML crosses 3.84 at 12.2 and 84.1; REML lies to the right of it: from 16 to 101.",
    caption="Profiles of the two likelihoods for Dyestuff; markers at their lowest points. Below the line: 95 % profile intervals.",
)

# %% [markdown]
# Both curves are low over a wide range: six batches say little about a variance *between* batches. The step from 6 to 5
# moves the lowest point by 5 g; the interval is 70 g wide. REML is the better habit, and not what you should worry about most.
#
# Where a curve crosses the line, the **profile interval** ends. The package finds the crossings to all digits (for ML, as is usual):

# %%
interval = batches.fit("ML").confint()
interval.loc[["sd_Batch[Intercept]", "sigma"], ["estimate", "ci_lb", "ci_ub"]].round(2)

# %% [markdown]
# ## Is REML better?
#
# Do the experiment 100 000 times, with a true variance of 1764.05. Mean squares of normal data are chi-squares, so no
# measurements have to be drawn:

# %%
rng = np.random.default_rng(3)
msbs = (2451.25 + 5 * 1764.05) * rng.chisquare(5, 100_000) / 5
msws = 2451.25 * rng.chisquare(24, 100_000) / 24
anova, ml_ = (msbs - msws) / 5, (msbs * 5 / 6 - msws) / 5
averages = {"ANOVA": anova, "REML": np.maximum(anova, 0), "ML": np.maximum(ml_, 0)}
{name: float(round(estimates.mean(), -1)) for name, estimates in averages.items()}

# %% [markdown]
# ANOVA is right on average (up to the noise of the simulation), ML about a fifth too low. REML is a little too high, for a reason that is lesson 4: where
# ANOVA gives a *negative* variance, REML says 0.

# %% [markdown]
# ## The second reading: REML is a Bayesian half-way house
#
# Give the mean $\beta$ a flat prior and integrate it out of the likelihood. What is left is a function of the variances. Take the
# evidence $p(y)$ under $\beta \sim N(0, 1/\kappa)$ from lesson 1, remove the constant of the prior, $\frac12 \log(\kappa/2\pi)$, and let $\kappa \to 0$:

# %%
reml = batches.fit("REML")
for kappa in (1e-6, 1e-8, 1e-10):
    evidence = batches.solve(reml, kappa=kappa).log_evidence
    print(f"kappa {kappa:g}: {evidence - 0.5 * np.log(kappa / (2 * np.pi)):.4f}")
print(f"REML log-likelihood: {reml.log_likelihood:.4f}")

# %% [markdown]
# So ML asks for the best $\beta$, REML averages over all of them. The lost degree of freedom is the price of not knowing $\beta$. A full
# Bayesian goes one step further and averages over the variances, too.

# %% [markdown]
# ## The number to verify
#
# From MSB = 11271.5 and MSW = 2451.25, with pencil: $(11271.5 - 2451.25)/5 = 1764.05$, and with $\tfrac56 \cdot 11271.5 = 9392.9$ in the place
# of MSB, 1388.33.
#
# ## Exercises
#
# **1.** Do the same for Rail: six rails, three measurements. Where do 511.86 and 615.31 come from?
#
# **2.** With 60 batches instead of 6, how far would ML and REML be apart?
#
# **3.** Why is the *residual* variance the same under both?
#
# **4.** In the sleep study, reaction times of 18 subjects over 10 days, somebody measures time in weeks instead of days. It is
# the same model. Compare log-likelihoods. What follows for comparing models by REML?

# %% [markdown]
# ### Answer 1

# %%
rail_between, rail_within = squares(rail["travel"], rail["Rail"])
by_hand = {d: float(rail_between / d - rail_within / 12) / 3 for d in (6, 5)}
by_hand

# %% [markdown]
# ### Answer 2
#
# Divisor 60 or 59: MSB would differ by 1.7 %, and so about the estimate. With many groups this lesson is a footnote; with few, it is not.

# %%
print(
    f"6 batches: {1 - 1388.33 / 1764.05:.1%} lower   60: {1 - ((59 / 60 * 11271.5 - 2451.25) / 5) / 1764.05:.1%} lower"
)

# %% [markdown]
# ### Answer 3
#
# It comes from differences *within* batches. The overall mean cancels in them, so nothing is lost by estimating it: 24 degrees of freedom
# either way. In unbalanced data the two differ a little there, too.

# %% [markdown]
# ### Answer 4
#
# ML does not change. REML does, by $\log 7$, because the average over $\beta$ depends on the units of $\beta$. So REML likelihoods
# of models with *different fixed effects* must not be compared, not even as AIC. Models that differ only in random effects may be.

# %%
sleep = bb.load_dataset("sleepstudy").assign(Weeks=lambda d: d["Days"] / 7)
for method in ("ML", "REML"):
    days, weeks = (
        bb.MixedModel(f"Reaction ~ {x} + (1 | Subject)", sleep).fit(method).log_likelihood
        for x in ("Days", "Weeks")
    )
    print(f"{method:5} days {days:.4f}   weeks {weeks:.4f}   difference {weeks - days:.4f}")
print(f"log 7 = {np.log(7):.4f}")

# %% [markdown]
# ## What would change this conclusion
#
# - **More fixed effects.** The correction is for all of them: with 10 coefficients and 30 rows, ML is far too low.
# - **Unbalanced data.** No closed form, and several kinds of ANOVA that disagree. ML and REML are defined as before.
# - **An sd instead of a variance.** REML's variance is nearly unbiased; its square root is not.
# - **What you need it for.** Unbiased is not everything. By the root mean squared error, ML is the better one here: it is too low, and varies less:

# %%
{name: float(round(((estimates - 1764.05) ** 2).mean() ** 0.5, -1)) for name, estimates in averages.items()}

# %%
# The ANOVA tables of Rail and Dyestuff; profile intervals as lme4 in R gives them.
EXPECTED = {
    "Rail ML": (511.86, 0.005),
    "Rail REML": (615.31, 0.005),
    "sd of batches, lower": (12.20, 0.005),
    "sd of batches, upper": (84.06, 0.005),
    "sigma, lower": (38.2, 0.05),
    "sigma, upper": (67.7, 0.05),
    "MSB": (11271.5, 0.05),
    "MSW": (2451.2, 0.051),
}

# %% [markdown]
# ## Sources
#
# - Dyestuff: O. L. Davies and P. L. Goldsmith, eds (1972), *Statistical Methods in Research and Production*, 4th ed., section 6.4.
# - Rail: J. L. Devore (2000), *Probability and Statistics for Engineering and the Sciences*, 5th ed., Example 10.10.
# - Sleep study: G. Belenky et al. (2003), *Journal of Sleep Research* 12, 1-12.
# - H. D. Patterson and R. Thompson (1971), Recovery of inter-block information when block sizes are unequal, *Biometrika* 58, 545-554.
# - D. A. Harville (1974), Bayesian inference for variance components using only error contrasts, *Biometrika* 61, 383-385.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
FOUND = {f"Rail {m}": rails.fit(m).variances.sd("Rail").iloc[0] ** 2 for m in ("ML", "REML")}
for name, row in (("sd of batches", "sd_Batch[Intercept]"), ("sigma", "sigma")):
    FOUND |= {f"{name}, lower": interval.loc[row, "ci_lb"], f"{name}, upper": interval.loc[row, "ci_ub"]}
FOUND |= {"MSB": msb, "MSW": msw}
assert abs(by_hand[6] - FOUND["Rail ML"]) < 1e-6 and abs(by_hand[5] - FOUND["Rail REML"]) < 1e-6
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
