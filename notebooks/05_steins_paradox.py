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
# # 5. Stein's paradox
#
# **Question.** Should the guess about one batter change because of what seventeen others did?
#
# **Data.** baseball
#
# **You need.** Lesson 2: the weight, and that a BLUP is pulled towards the mean of all.
#
# **Time.** 35 minutes with the exercises.

# %% [markdown]
# ## The question
#
# It is spring 1970. Roberto Clemente has been at bat 45 times and made 18 hits: an average of .400. What will he hit
# over the rest of the season?
#
# The obvious answer is .400. It uses his data, all of them, and nobody else's. In 1956 Charles Stein showed that for
# three or more people at once the obvious answer can always be beaten (four or more, if their common mean has to be
# estimated). Clemente's guess gets better if Alvis's hits are used. Statisticians did not believe it. Efron and Morris
# put it to a test that a sports page can settle.

# %% [markdown]
# ## Look

# %%
import matplotlib.pyplot as plt
import numpy as np

import blupbayes as bb

players = bb.load_dataset("baseball")
players["average"] = players["hits"] / players["at_bats"]
truth = players["rest_of_season"].to_numpy()  # seen in autumn only
players[["player", "hits", "average"]].set_index("player").round(3).T

# %% [markdown]
# 45 at-bats are few. How far is an average off by luck alone? Each player's hits are like 45 tosses of a coin that
# shows "hit" with a probability near .265:

# %%
raw = players["average"].to_numpy()
mean = raw.mean()
s2 = mean * (1 - mean) / 45
print(
    f"mean of all {mean:.3f}, luck alone gives an sd of {s2**0.5:.3f}, the averages have {raw.std(ddof=1):.3f}"
)

# %% [markdown]
# The averages are spread hardly more than luck alone would spread them. So there is little left for talent. The best of
# spring is mostly the luckiest of spring.
#
# ## The first reading: James and Stein
#
# Keep a share $c$ of every distance to the common mean:
#
# $$\hat\theta_i = \bar y + c\,(y_i - \bar y), \qquad c = 1 - \frac{(k-3)\,s^2}{\sum_i (y_i - \bar y)^2}.$$
#
# Nothing is assumed about the $k$ true values. They may be anything, fixed and unrelated. Still: for $k \ge 4$ and
# normal errors, the *total* squared error is smaller on average than that of the raw averages. Always.

# %%
k, distances = len(raw), raw - mean
c = 1 - (k - 3) * s2 / np.sum(distances**2)
js = mean + c * distances
print(f"c = {c:.3f}: keep a fifth of every distance. Clemente: {raw[0]:.3f} -> {js[0]:.3f}")

# %% [markdown]
# ## The second reading: a mixed model
#
# Say that players come from a population: $\theta_i \sim N(\mu, \tau^2)$, and $y_i \mid \theta_i \sim N(\theta_i, s^2)$
# with $s^2$ known. That is a mixed model with one row per player. A known standard error is told by `weights=1/se**2,
# sigma=1`. The BLUP keeps the weight $\tau^2/(\tau^2 + s^2)$. For which $\tau$ is that the $c$ of James and Stein?

# %%
model = bb.MixedModel("average ~ 1 + (1 | player)", players, weights=np.full(k, 1 / s2), sigma=1)
tau = np.sqrt(s2 * c / (1 - c))
blup = model.solve({"player": tau, "residual": 1}).group_means()["estimate"].to_numpy()
print(f"tau = {tau:.4f}; largest difference between BLUP and James-Stein: {np.abs(blup - js).max():.0e}")

# %% [markdown]
# One formula again. James-Stein is a BLUP, with an estimate of $\tau$ plugged in that looks odd and is unbiased for the
# weight. REML plugs in its own estimate, and a posterior averages over all $\tau$:

# %%
reml, posterior = model.fit("REML"), model.integrate()
both = bb.compare(reml, posterior)
weights = (
    both.to_dataframe(component="weight").query("level == 'Clemente'").set_index("estimator")["estimate"]
)
print("share of the distance kept:", {"James-Stein": float(round(c, 3)), **weights.round(3).to_dict()})

# %% [markdown]
# They differ, since 18 averages say little about $\tau$. But all of them are far from 1, the share that the raw
# averages keep.
#
# ## The picture to remember
#
# Now it is autumn. Left: what spring said. Middle: James and Stein, in spring. Right: what the rest of the season said.

# %%
better = np.abs(js - truth) < np.abs(raw - truth)
fig, ax = plt.subplots(figsize=(6.5, 4.6), layout="constrained")
for line in np.column_stack([raw, js, truth])[:, :, None]:
    ax.plot([0, 1, 2], line, "-", color="#595959", linewidth=0.9)
ax.plot(0 * raw, raw, "o", color="#595959", mfc="white")
ax.plot(0 * raw + 1, js, "s", color="#0072B2", markersize=5, mec="white")
ax.plot(0 * raw + 2, truth, "D", color="#000000", markersize=4)
for player, i in (("Clemente", 0), ("Munson", 16), ("Alvis", 17)):
    ax.text(-0.05, raw[i], player, ha="right", va="center")
    ax.text(2.05, truth[i], player, ha="left", va="center")
ax.set_xticks([0, 1, 2], ["spring: 45 at-bats", "James-Stein", "rest of the season"])
ax.set(xlim=(-0.45, 2.45), ylabel="batting average")
bb.figure(
    fig,
    alt=f"Lines of 18 players: spring averages from {raw.min():.3f} to {raw.max():.3f} shrink to {js.min():.3f} to "
    f"{js.max():.3f}, and the rest of the season runs from {truth.min():.3f} to {truth.max():.3f}. James-Stein is "
    f"nearer to the truth for {better.sum()} of 18 players.",
    caption="Circles: raw averages; squares: James-Stein estimates; diamonds: averages over the rest of the season. No "
    "intervals are drawn.",
)

# %% [markdown]
# The left fan is far too wide: spring told tales. Squeezing it to a fifth was a bit too much, but far better than
# believing it.

# %%
players.assign(james_stein=js)[["player", "average", "james_stein", "rest_of_season"]].set_index(
    "player"
).round(3).T

# %%
print(f"nearer to the truth: {better.sum()} of 18; not for {', '.join(players['player'][~better])}")
print(f"Clemente: spring .400, James-Stein {js[0]:.3f}, truth {truth[0]:.3f}")
print(
    f"total squared error: raw {np.sum((raw - truth) ** 2):.4f}, James-Stein {np.sum((js - truth) ** 2):.4f}"
)

# %% [markdown]
# ## The number to verify
#
# Efron and Morris work on the scale $\sqrt{45}\,\arcsin(2y - 1)$, on which luck has variance 1 whatever the true
# average. They print total squared errors of 17.56 and 5.01: a factor of 3.50.


# %%
def totals(rest_of_season):
    x, target = (np.sqrt(45) * np.arcsin(2 * np.asarray(a) - 1) for a in (raw, rest_of_season))
    keep = 1 - (k - 3) / np.sum((x - x.mean()) ** 2)
    guess = x.mean() + keep * (x - x.mean())
    return np.sum((x - target) ** 2), np.sum((guess - target) ** 2)


def with_average(player, value):
    return players["rest_of_season"].mask(players["player"] == player, value)


copies = {
    "as printed in 1975": truth,
    "Campaneris .285, not .286": with_average("Campaneris", 0.285),
    "Williams .330, not .256": with_average("Williams", 0.330),
}
for name, copy in copies.items():
    print(f"{name:26s} raw {totals(copy)[0]:6.2f}   James-Stein {totals(copy)[1]:5.2f}")

# %% [markdown]
# **Mind your copy of the data.** Two slips circulate, and the published totals find them out:
#
# - *Williams* hit .256 in the rest of the season. The R package rstanarm (`bball1970`) and a file that is often
#   copied have .330. With .330 the total is 19.97, and no rounding can turn that into 17.56. If your copy says .330,
#   it is not the table of the paper.
# - *Campaneris* is printed as .286. His 159 hits in 558 at-bats are .285 (.2849), and with .285 the totals are 17.57
#   and 5.00, which is what the paper prints but for one unit of the last digit.
#
# A published total is a checksum. Use it before you use a data set. (On the raw scale the paper prints .077 and .022;
# we get .0753 and .0213 with .285, and cannot say where the difference comes from.)

# %% [markdown]
# ## Exercises
#
# **1.** Leave Clemente out of the eighteen. What becomes of $c$? What does that tell you about "the" weight?
#
# **2.** Two players were served worse. What do they have in common?
#
# **3.** The theorem is about the *total*. Simulate many springs with the averages of the rest of the season as true
# values. Whose error shrinks least? Then make Clemente a .450 hitter: is he still served better?
#
# **4.** Suppose .400 had been 180 hits in 450 at-bats. What would the BLUP at the same $\tau$ be?

# %% [markdown]
# ### Answer 1
#
# It falls from .21 to .06: one player carries most of what is known about talent. The estimate of $\tau$ is the weak
# point of every plug-in. Lesson 6 is about that.

# %%
others = raw[1:]
luck = others.mean() * (1 - others.mean()) / 45
print(f"c without Clemente: {1 - (17 - 3) * luck / np.sum((others - others.mean()) ** 2):.3f}")

# %% [markdown]
# ### Answer 2
#
# Spring showed them a little below the mean, and they *were* below it: Swoboda .244 and then .230, Rodriguez .222 and
# then .226. For them spring was right. Shrinkage must hurt those whose luck was small; it does not know who they are.
#
# ### Answer 3
#
# All gain in the first simulation, Clemente by almost nothing: he is far from the mean, and is pulled down for the sake
# of the others. As a .450 hitter he loses, badly, and the total still gains. If you are paid for Clemente alone, do not
# shrink him towards men who are not like him.


# %%
def risk(theta, replicates=20_000):
    y = np.random.default_rng(1).normal(theta, np.sqrt(s2), (replicates, k))
    d = y - y.mean(axis=1, keepdims=True)
    keep = np.maximum(0, 1 - (k - 3) * s2 / np.sum(d**2, axis=1, keepdims=True))
    shrunk = y.mean(axis=1, keepdims=True) + keep * d
    return np.mean((shrunk - theta) ** 2, axis=0) / np.mean((y - theta) ** 2, axis=0)


for rate in (0.346, 0.450):
    relative = risk(np.where(players["player"] == "Clemente", rate, truth))
    print(
        f"Clemente {rate:.3f}: squared error, raw = 1: all {relative.mean():.2f}, Clemente {relative[0]:.2f}"
    )

# %% [markdown]
# ### Answer 4
#
# Ten times the at-bats, a tenth of the variance of luck: his weight goes from .21 to .73, and he keeps most of his
# lead. How much a group shrinks depends on how much is known about it: lesson 9.

# %%
weight = tau**2 / (tau**2 + s2 / 10)
print(f"weight {weight:.3f}, BLUP {mean + weight * (0.4 - mean):.3f}")

# %% [markdown]
# ## What would change this conclusion
#
# - **Fewer than four.** For three or fewer raw averages (two, if the centre is known) no rule beats them everywhere.
# - **Knowledge about one.** Clemente had won four batting titles. Who knows that does not think of him as one of
#   eighteen draws from one population. A covariate (last year's average) would say so in the model.
# - **One loss instead of the sum.** If only the best player matters, the total is not your criterion (exercise 3).
# - **A population that is not normal.** The theorem holds whatever the truth is, but *how much* is gained depends on
#   whether the true values lie together.
#
# The paradox in one sentence: the raw average is the best answer to eighteen questions asked one at a time, and a poor
# answer to the eighteen together.

# %%
# 17.57, 5.00, 3.51, .0753 and .0213 with Campaneris at .285; published: 17.56, 5.01, 3.50 (Efron and Morris 1975).
EXPECTED = {
    "share kept": (0.212, 0.0005),
    "mean": (0.265, 0.0005),
    "Clemente": (0.294, 0.0005),
    "served better": (16, 0.5),
    "total, raw": (17.57, 0.005),
    "total, James-Stein": (5.00, 0.005),
    "ratio as printed": (3.51, 0.005),
    "raw scale, raw": (0.0753, 0.00005),
    "raw scale, James-Stein": (0.0213, 0.0001),
}

# %% [markdown]
# ## Sources
#
# - Data and totals: B. Efron and C. Morris (1975), Data analysis using Stein's estimator and its generalizations,
#   *JASA* 70, 311-319, table 1.
# - C. Stein (1956), Inadmissibility of the usual estimator for the mean of a multivariate normal distribution, *Proc.
#   Third Berkeley Symposium* 1, 197-206; W. James and C. Stein (1961), Estimation with quadratic loss, *Proc. Fourth
#   Berkeley Symposium* 1, 361-379.
# - B. Efron and C. Morris (1977), Stein's paradox in statistics, *Scientific American* 236(5), 119-127.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
corrected = copies["Campaneris .285, not .286"].to_numpy()
FOUND = {"share kept": c, "mean": mean, "Clemente": js[0], "served better": better.sum()}
FOUND["total, raw"], FOUND["total, James-Stein"] = totals(corrected)
FOUND["ratio as printed"] = totals(truth)[0] / totals(truth)[1]
FOUND["raw scale, raw"] = np.sum((raw - corrected) ** 2)
FOUND["raw scale, James-Stein"] = np.sum((js - corrected) ** 2)
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
