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
# # 6. Eight schools
#
# **Question.** Does coaching work better in school A than elsewhere?
#
# **Data.** eight_schools
#
# **You need.** Lesson 2 (the weight) and lesson 4 (an estimate of zero). Lesson 5 has known standard errors, too.
#
# **Time.** 40 minutes with the exercises.

# %% [markdown]
# ## The question
#
# Eight schools tried out coaching for a verbal test (SAT-V), each in an experiment of its own. In school A the coached
# pupils were 28 points better. That is much. In school C they were 3 points worse.
#
# The principal of school A wants to know what *her* coaching is worth. Do you tell her 28? Do you tell her that there
# is no evidence of any difference between schools, so 8, like everywhere? Both answers have been given, by good people.

# %% [markdown]
# ## Look

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import blupbayes as bb

schools = bb.load_dataset("eight_schools")
w = 1 / schools["se"] ** 2
pooled, se_pooled = np.average(schools["y"], weights=w), w.sum() ** -0.5
Q = np.sum(w * (schools["y"] - pooled) ** 2)
schools.set_index("school").T

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
ax.axvspan(pooled - 1.96 * se_pooled, pooled + 1.96 * se_pooled, color="#C9DDEA")
ax.axvline(pooled, color="#0072B2", linestyle="--")
ax.errorbar(
    schools["y"],
    schools["school"],
    xerr=1.96 * schools["se"],
    fmt="o",
    color="#595959",
    markerfacecolor="white",
)
ax.invert_yaxis()
ax.set(xlabel="effect of coaching (points)", ylabel="school")
bb.figure(
    fig,
    alt="Effects in eight schools from -3 to 28 points, with intervals of 18 to 35 points to either side. The pooled "
    "mean, 7.7, lies in every interval.",
    caption="Circles: estimates of each school with 95 % intervals, estimate +/- 1.96 se. Dashed, with band: their "
    "weighted mean with its 95 % interval.",
)

# %%
print(f"pooled {pooled:.2f}, se {se_pooled:.2f}; Q = {Q:.2f} on 7 degrees of freedom")

# %% [markdown]
# $Q$ measures how much the schools differ beyond their standard errors: about 7 would be luck alone. It is 4.7. The
# schools differ *less* than luck would make them. So nothing says that they differ. Does that say that they are equal?
#
# ## The first reading: plug in an estimate
#
# $$y_j \mid \theta_j \sim N(\theta_j, \mathrm{se}_j^2), \qquad \theta_j \sim N(\mu, \tau^2).$$
#
# $\theta_j$ is the effect in school $j$; $\tau$ says how much schools differ. The standard errors are known, which is
# told by `weights=1/se**2, sigma=1`.

# %%
model = bb.MixedModel("y ~ 1 + (1 | school)", schools, weights=w, sigma=1)
reml = model.fit("REML")
reml.variances

# %% [markdown]
# The estimate of $\tau$ is 0. Plugged in, every school gets 7.69, with an error of 4.07, that of the pooled mean. A
# claim that is made as if $\tau = 0$ were *known*.
#
# ## The second reading: average over what is not known
#
# Put a prior on $\tau$, here a flat one on all positive values, and compute the posterior.

# %%
posterior = model.integrate(bb.Prior(sd="Flat"))
at = posterior.quantile("sd_school[Intercept]", [0.025, 0.5, 0.975])
print(f"tau: median {at[1]:.2f}, 95 % interval {at[0]:.2f} to {at[2]:.1f}")

# %% [markdown]
# $\tau = 0$ has the highest density, and still half of the posterior lies above 5. REML reports the peak. A posterior
# mean asks everybody.
#
# ## The picture to remember
#
# Above: where each school goes, *given* $\tau$. Below: how credible that $\tau$ is. At the left edge all are pooled; to
# the right they go home to their own estimates.

# %%
answers = bb.compare(reml, posterior)
path = answers.plot_sd_path()
path

# %% [markdown]
# - REML reads the lines off at one place, the dashed line at 0.
# - A posterior mean walks along a line, and weighs each place with the curve below.
#
# Do it: average the line of school A with the density as weights.

# %%
drawn = path.data.set_index("sd")
line = drawn.query("kind == 'level' and level == 'A'")["estimate"]
density = drawn.query("kind == 'posterior'")["density"]
at_line = np.interp(line.index, density.index, density)
print(f"line of A, averaged: {np.average(line, weights=at_line):.1f} (the picture ends at the 99 % quantile)")

# %%
effects = posterior.group_means().set_index("level")
effects[["estimate", "posterior_sd", "eti95_lb", "eti95_ub"]].round(2)

# %% [markdown]
# School A: 11.4 points, give or take 8.3. Not 28, not 7.7. Here are both readings, with their intervals:

# %%
answers.plot_forest("group_mean")

# %% [markdown]
# The dashed intervals are all the same, and too short: half as long as the posterior's. They do not know that $\tau$ is
# a guess. (Lesson 11 counts how often such intervals miss.)
#
# **So:** tell the principal "about 11, and I would not be surprised by 0 or by 25". Is A better than C? Count draws of
# the posterior in which it is:

# %%
b = posterior.data.posterior["b_school"]
print(f"P(A > C) = {float((b.sel(school='A') > b.sel(school='C')).mean()):.2f}")

# %% [markdown]
# ## The number to verify
#
# One dimension, $\tau$: a sum over a grid does the whole posterior. Given $\tau$, everything is normal and known.

# %%
y, se = schools["y"].to_numpy(), schools["se"].to_numpy()
tau = np.linspace(0, 500, 50_001)[:, None]
v = se**2 + tau**2  # variances of y around mu
V = 1 / np.sum(1 / v, axis=1, keepdims=True)
mu = V * np.sum(y / v, axis=1, keepdims=True)
log_p = 0.5 * np.log(V) - 0.5 * np.sum(np.log(v) + (y - mu) ** 2 / v, axis=1, keepdims=True)
p = np.exp(log_p - log_p.max())
p /= p.sum()
keep = tau**2 / v  # the weight of lesson 2
theta = keep * y + (1 - keep) * mu
spread2 = keep * se**2 + (1 - keep) ** 2 * V

# %%
grid = pd.DataFrame({"mean": np.sum(p * theta, axis=0)}, index=schools["school"])
grid["sd"] = np.sqrt(np.sum(p * (spread2 + theta**2), axis=0) - grid["mean"] ** 2)
grid.assign(package_mean=effects["estimate"], package_sd=effects["posterior_sd"]).round(2).T

# %% [markdown]
# The same numbers, but for the far tail of $\tau$ that the grid leaves out.
#
# A second check, from a public collection of reference posteriors (posteriordb). Its model has other priors, $\mu \sim
# N(0, 5^2)$ and $\tau \sim \mathrm{HalfCauchy}(5)$; its 10 000 draws give $\mu = 4.41$, $\tau = 3.60$, $\theta_A =
# 6.15$, with Monte Carlo errors of .03, .03 and .06.

# %%
other = model.integrate(bb.Prior(kappa=1 / 5**2, mean=0, sd="HalfCauchy(5)"))
mu_5, tau_5 = other.summary()["mean"]
theta_5 = other.group_means()["estimate"][0]
print(f"mu {mu_5:.3f}, tau {tau_5:.3f}, theta of A {theta_5:.3f}")

# %% [markdown]
# Look twice: school A has 6.2 now, not 11.4. The data are the same. With eight numbers and large errors, the prior
# matters. That is lesson 7.

# %% [markdown]
# ## Exercises
#
# **1.** How probable is it that the effect in A is above 28, what the school itself has found?
#
# **2.** A ninth school has not tried yet. What effect do you expect, and how sure are you?
#
# **3.** Halve all standard errors (four times the pupils), same effects. What becomes of REML's $\tau$ and of school A?
#
# **4.** Is "$\tau$ is not significantly different from 0" a reason to pool completely?

# %% [markdown]
# ### Answer 1
#
# About 4 %. The raw answer would be 50 %: an unbiased estimate is as often too low as too high. But this one was
# *picked* because it is the largest of eight.

# %%
print(f"P(theta_A > 28) = {1 - posterior.cdf('group_mean_school[A,Intercept]', 28):.3f}")

# %% [markdown]
# ### Answer 2
#
# The mean of the population, 7.9. The sd is not that of $\mu$ alone (5.2): the new school has its own distance to
# $\mu$, with a variance of $\tau^2$, averaged over the posterior. Flat on $\tau$, eight schools: the tails are long.

# %%
summary = posterior.summary()
tau_mean, tau_sd = summary.loc["sd_school[Intercept]", ["mean", "sd"]]
mu_mean, mu_sd = summary.loc["beta[Intercept]", ["mean", "sd"]]
print(f"a ninth school: {mu_mean:.1f}, sd {np.sqrt(mu_sd**2 + tau_mean**2 + tau_sd**2):.1f}")

# %% [markdown]
# ### Answer 3
#
# REML jumps from 0 to 7.7, and A from 7.7 to 18.8. The posterior moves, too, but it was never at zero: an estimate can
# jump off the boundary, a distribution flows.

# %%
sharper = bb.MixedModel("y ~ 1 + (1 | school)", schools, weights=4 * w, sigma=1)
both = bb.compare(sharper.fit("REML"), sharper.integrate(bb.Prior(sd="Flat")))
table = both.to_dataframe("wide").xs("estimate", axis=1, level=1)
table.loc[[("sd", "school", "", "Intercept"), ("group_mean", "school", "A", "Intercept")]].round(2)

# %% [markdown]
# ### Answer 4
#
# No. The interval of $\tau$ reaches from almost 0 to 21: "equal" is possible, and so is "they differ by more than
# coaching is worth". A test that finds nothing in eight noisy numbers has found nothing out.

# %% [markdown]
# ## What would change this conclusion
#
# - **The prior of $\tau$.** Lesson 7 changes it, and leaves three schools only.
# - **Knowing the schools.** The model treats them as interchangeable. If A is the only school with twice the hours, a
#   covariate must say so, and A is no longer pulled to the others.
# - **Standard errors that are not known.** They are taken as known here, as in most meta-analyses. Small trials with
#   estimated standard errors need their raw data.
# - **Tails.** Normal effects pull outliers in. `model.sample(random="student_t")` lets a school be truly odd.

# %%
# Pooled mean and Q: closed form. Flat tau: quadrature. mu, tau and A under N(0, 5) and half-Cauchy(5): quadrature, and
# posteriordb's reference draws within their errors. Sources below.
EXPECTED = {
    "pooled": (7.69, 0.005),
    "se of pooled": (4.07, 0.005),
    "Q": (4.71, 0.005),
    "REML tau": (0.0, 1e-6),
    "tau, median": (5.24, 0.01),
    "tau, 2.5 %": (0.25, 0.012),
    "tau, 97.5 %": (20.8, 0.1),
    "mu": (7.93, 0.02),
    "sd of mu": (5.18, 0.02),
    "school A": (11.40, 0.02),
    "sd of school A": (8.34, 0.04),
    "school A by hand": (11.40, 0.02),
    "mu, other prior": (4.397, 0.005),
    "tau, other prior": (3.601, 0.01),
    "school A, other prior": (6.21, 0.015),
}

# %% [markdown]
# ## Sources
#
# - Data: D. B. Rubin (1981), Estimation in parallel randomized experiments, *J. Educational Statistics* 6, 377-401.
# - A. Gelman, J. B. Carlin, H. S. Stern, D. B. Dunson, A. Vehtari and D. B. Rubin (2013), *Bayesian Data Analysis*,
#   3rd ed., section 5.5: the picture is their figure 5.6 with 5.5 below.
# - posteriordb: `eight_schools-eight_schools_noncentered`, reference draws.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
FOUND = {"pooled": pooled, "se of pooled": se_pooled, "Q": Q, "REML tau": reml.variances.sd("school").iloc[0]}
FOUND |= {"tau, 2.5 %": at[0], "tau, median": at[1], "tau, 97.5 %": at[2], "mu": mu_mean, "sd of mu": mu_sd}
FOUND |= {"school A": effects["estimate"]["A"], "sd of school A": effects["posterior_sd"]["A"]}
FOUND |= {"school A by hand": grid["mean"]["A"]}
FOUND |= {"mu, other prior": mu_5, "tau, other prior": tau_5, "school A, other prior": theta_5}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
