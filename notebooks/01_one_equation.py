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
# # 1. One equation, two readings
#
# **Question.** Is a BLUP a Bayesian answer?
#
# **Data.** rail
#
# **You need.** Means, variances, and what a normal distribution is. No mixed models yet.
#
# **Time.** 30 minutes with the exercises.

# %% [markdown]
# ## The question
#
# A wave of ultrasound was sent through six rails, three times through each. How long does it take through rail 2?
#
# One school solves a set of linear equations that Henderson found for breeding cattle, and calls the answer BLUP: the
# *best linear unbiased predictor*. Another school writes down a prior, and calls the answer a posterior mean. Are these
# two answers, or one?

# %% [markdown]
# ## Look

# %%
import matplotlib.pyplot as plt
import numpy as np

import blupbayes as bb

rail = bb.load_dataset("rail")
means = rail.groupby("Rail", observed=True)["travel"].mean()
means.round(2).to_frame("mean travel time (ns)").T

# %%
fig, ax = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
ax.plot(rail["travel"], rail["Rail"].astype(str), "o", color="#595959", mfc="none")
ax.axvline(rail["travel"].mean(), color="#0072B2", linestyle="--")
ax.set(xlabel="travel time (ns)", ylabel="rail")
bb.figure(
    fig,
    alt="Three times for each of six rails: the rails differ by up to 64 ns, times within a rail by less than 20.",
    caption="Open circles: measurements. Dashed: their mean, 66.5 ns.",
)

# %% [markdown]
# The rails differ much more than the three times of one rail do. We write this down as a model:
#
# $$y_{ij} = \beta + b_j + e_{ij}, \qquad b_j \sim N(0, \sigma_b^2), \qquad e_{ij} \sim N(0, \sigma^2).$$
#
# $\beta$ is the mean of all rails, $b_j$ how far rail $j$ is from it, $e_{ij}$ the error of one measurement. For the two
# variances we take estimates (by REML: lesson 3 says what that is), and hold them fixed in this lesson.

# %%
model = bb.MixedModel("travel ~ 1 + (1 | Rail)", rail)
reml = model.fit("REML")
reml.variances

# %% [markdown]
# ## The first reading: Henderson
#
# Seven numbers are wanted: $\beta$ and six $b_j$. Henderson's equations are least squares with one change: to each $b_j$
# on the diagonal, $\sigma^2/\sigma_b^2$ is added.

# %%
sigma2, sigma2_b = reml.variances.residual**2, reml.variances.sd("Rail").iloc[0] ** 2
ratio = sigma2 / sigma2_b
Z = rail["Rail"].to_numpy()[:, None] == means.index.to_numpy()
W = np.column_stack([np.ones(18), Z])  # a column for beta, one for each b
added = np.diag([0.0] + [ratio] * 6)
print(np.round(W.T @ W + added, 3))

# %%
henderson = np.linalg.solve(W.T @ W + added, W.T @ rail["travel"])
print("beta, b of rails 2, 5, 1, 6, 3, 4:", henderson.round(2))
reml.ranef().round(2)

# %% [markdown]
# Seven lines of algebra, and the package's `estimate` column is there to the last digit. No distribution of $\beta$ was
# mentioned.

# %% [markdown]
# ## The second reading: Bayes
#
# A Bayesian needs a prior for everything unknown. The $b_j$ have one: $N(0, \sigma_b^2)$. The mean $\beta$ gets
# $N(0, 1/\kappa)$: $\kappa$ (kappa) is its *precision*, one over its variance. Normal data, normal priors: the posterior is
# normal, its precision is that of the data plus that of the prior, and its mean solves
#
# $$\Big(W'W/\sigma^2 + \mathrm{diag}(\kappa,\ 1/\sigma_b^2, \ldots, 1/\sigma_b^2)\Big)\,a = W'y/\sigma^2.$$
#
# Multiply by $\sigma^2$ and compare with the matrix above. Where is the difference?


# %%
def bayes(kappa):
    prior = np.diag([kappa * sigma2] + [ratio] * 6)
    return np.linalg.solve(W.T @ W + prior, W.T @ rail["travel"])


for kappa in (1e-2, 1e-4, 1e-6, 0.0):
    print(f"kappa {kappa:<7g} beta {bayes(kappa)[0]:8.4f}   b of rail 2 {bayes(kappa)[1]:9.4f}")

# %% [markdown]
# The difference is one number, in one corner. Henderson's zero is the Bayesian's $\kappa = 0$: *I know nothing about
# $\beta$*. His added ratio is a prior for the $b_j$.
#
# ## The picture to remember
#
# To the right, $\kappa$ becomes small. The posterior means (lines) run into Henderson's solution (squares).

# %%
model.compare(methods=("REML",), exact=False).plot_kappa_path()

# %% [markdown]
# - Left of the dotted line the prior wins: $\beta$ is pulled to 0, and the $b_j$ must carry what is missing.
# - At the dotted line, prior and data are equally strong: $\beta$ is half way.
# - The third panel: each tenfold smaller $\kappa$ makes the distance ten times smaller. So this is a limit with a rate,
#   not "about the same".
#
# The spreads go along. The inverse of the same matrix holds the Bayesian's posterior variances, and Henderson's
# prediction-error variances, Var(b_hat - b):

# %%
inverse = np.linalg.inv(W.T @ W + added) * sigma2
print("roots of the diagonal:", np.sqrt(np.diag(inverse)).round(4)[:2])
print("se of beta:", round(reml.beta_cov.iloc[0, 0] ** 0.5, 4))
print("pev_sd of b:", reml.ranef()["pev_sd"][0].round(4))

# %% [markdown]
# **So:** yes. Given the variances, the BLUP *is* the posterior mean under a flat prior of $\beta$. What differs is what is
# claimed. Henderson: over repeated samples, no linear unbiased rule has a smaller mean squared error. Bayes: given these 18 numbers,
# this is where $b_j$ is. The arithmetic cannot tell them apart.

# %% [markdown]
# ## The number to verify
#
# With this prior, $\beta(\kappa) = 66.5 / (1 + 103.45\,\kappa)$, where $103.45 = 10.17^2$ is Henderson's variance of $\beta$.
# Take a pocket calculator, then look:

# %%
kappas = (0.009667, 1e-3, 1e-4, 1e-6, 0.0)
solved = {kappa: model.solve(reml, kappa=kappa) for kappa in kappas}
for kappa, g in solved.items():
    print(f"kappa {kappa:<9g} beta {g.beta.iloc[0]:.4f}  sd {g.beta_cov.iloc[0, 0] ** 0.5:.3f}")

# %% [markdown]
# ## Exercises
#
# **1.** Before you compute: at which $\kappa$ do prior and data count the same? Where is $\beta$ then, and what is its sd?
#
# **2.** Move the prior mean of $\beta$ from 0 to 60 (`prior_mean=60`). Does the limit change? Does the way to it?
#
# **3.** What do the $b_j$ become for $\kappa = \infty$?
#
# **4.** Take wrong variances: an sd of the rails of 10 instead of 24.8. Is there still a limit? Is it still 66.5?

# %% [markdown]
# ### Answer 1
#
# Where the precisions are equal: $\kappa = 1/\mathrm{Var}(\hat\beta) = 1/103.45 = .009667$. Then $\beta$ is half way between 0 and 66.5,
# 33.25, and twice the precision means an sd smaller by $\sqrt 2$: 7.19 instead of 10.17.

# %%
half = model.solve(reml, kappa=1 / reml.beta_cov.iloc[0, 0])
print(half.beta.round(3).to_dict(), " sd", round(half.beta_cov.iloc[0, 0] ** 0.5, 3))

# %% [markdown]
# ### Answer 2
#
# The limit does not change: at $\kappa = 0$ the prior mean is multiplied by 0. The way is shorter, as the prior pulls from 60
# and not from 0: the distances shrink by $(66.5 - 60)/66.5$, about a tenth.

# %%
for kappa in (1e-2, 1e-4, 0.0):
    away = [abs(model.solve(reml, kappa, prior_mean=m).beta.iloc[0] - 66.5) for m in (0, 60)]
    print(f"kappa {kappa:<6g} distance from 66.5: prior mean 0 {away[0]:8.4f}, prior mean 60 {away[1]:8.4f}")

# %% [markdown]
# ### Answer 3
#
# $\beta$ is 0 by decree, and each $b_j$ is the rail's mean, times .991 (lesson 2 says why).

# %%
tight = model.solve(reml, kappa=np.inf).b
(tight.set_index("level")["estimate"] / means).round(4).to_dict()

# %% [markdown]
# ### Answer 4
#
# There is always a limit, and it is the BLUP *at the variances that were given*. $\beta$ stays, because all rails have three
# measurements. The $b_j$ do not: rail 2 is believed less. So the identity says nothing about whether the variances are
# right.

# %%
wrong = model.solve({"Rail": 10, "residual": 4.02})
print("beta", wrong.beta.iloc[0].round(4), "  b of rail 2", wrong.b["estimate"][0].round(2))

# %% [markdown]
# ## What would change this conclusion
#
# **Variances that are not known.** Everything above held them fixed. Nobody knows them, and six rails say little about the
# variance between rails. A full posterior averages over them: the mean stays, the spread grows.

# %%
posterior = model.integrate()
posterior.summary()[["mean", "sd"]].round(2)

# %% [markdown]
# The sd of the mean is 11.97 here, not 10.17. That is the honest difference between the two schools: not the equation, but what is
# done about the variances. Lessons 2 to 4 go there.
#
# Also: a prior of $\beta$ that you *mean* ($\kappa > 0$) is not a limit, and pulls; and with effects that the data cannot
# tell apart, $\kappa = 0$ has many solutions, of which the limit picks the one of smallest norm.

# %%
# Closed form of the balanced one-way layout at the REML variances, which R's lme4 gives, too (615.31, 16.17).
EXPECTED = {
    "beta at .009667": (33.25, 0.005),
    "beta at 1e-3": (60.27, 0.005),
    "beta at 1e-4": (65.82, 0.005),
    "beta at 1e-6": (66.493, 0.0005),
    "sd at .009667": (7.19, 0.005),
    "sd at 0": (10.17, 0.005),
    "formula at 1e-3": (60.27, 0.005),
}

# %% [markdown]
# ## Sources
#
# - Data: J. L. Devore (2000), *Probability and Statistics for Engineering and the Sciences*, 5th ed., Example 10.10.
# - C. R. Henderson (1975), Best linear unbiased estimation and prediction under a selection model, *Biometrics* 31, 423-447.
# - D. V. Lindley and A. F. M. Smith (1972), Bayes estimates for the linear model, *JRSS B* 34, 1-41.
# - G. K. Robinson (1991), That BLUP is a good thing, *Statistical Science* 6, 15-32.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
FOUND = {f"beta at {k}": solved[float(k)].beta.iloc[0] for k in (".009667", "1e-3", "1e-4", "1e-6")}
FOUND |= {f"sd at {k}": solved[float(k)].beta_cov.iloc[0, 0] ** 0.5 for k in (".009667", "0")}
FOUND["formula at 1e-3"] = 66.5 / (1 + 103.45 * 1e-3)
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
