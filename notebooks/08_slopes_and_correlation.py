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
# # 8. Slopes and correlation
#
# **Question.** A person has an intercept and a slope: in which direction does a person shrink?
#
# **Data.** sleepstudy
#
# **You need.** Lesson 2 (the weight). A line has an intercept and a slope.
#
# **Time.** 40 minutes with the exercises.

# %% [markdown]
# ## The question
#
# Eighteen lorry drivers slept three hours a night. On each of ten days their reaction time was measured. Most became
# slower, each in his own way; subject 335 became *faster*. Would he go on like that?
#
# With one number per person, shrinkage is a matter of how far. With two numbers it has a direction, too. You would
# guess: straight towards the average person. Look whether that is so.

# %% [markdown]
# ## Look

# %%
import matplotlib.pyplot as plt
import numpy as np

import blupbayes as bb

sleep = bb.load_dataset("sleepstudy")
model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", sleep)
reml = model.fit("REML")
print(reml.variances)
reml.summary().round(3)

# %% [markdown]
# The average driver starts at 251 ms and loses 10.5 ms a day. Drivers differ: by 24.7 ms in where they start, by 5.9 ms
# a day in how fast they lose. Three lines for each of nine drivers:

# %%
apart, fixed = model.pool("none"), model.pool("complete")
lines = {}
for name, answer in {"no pooling": apart, "complete": fixed, "partial": reml}.items():
    rows = answer.tidy().query("component == 'group_mean'")
    lines[name] = rows.pivot(index="level", columns="term", values="estimate")
looks = {"no pooling": ("#595959", "-"), "complete": ("#D55E00", ":"), "partial": ("#0072B2", "--")}

# %%
some = ["308", "309", "310", "330", "335", "337", "350", "352", "370"]
fig, axes = plt.subplots(3, 3, figsize=(6.5, 5.4), sharex=True, sharey=True, layout="constrained")
for ax, subject in zip(axes.ravel(), some, strict=True):
    own = sleep[sleep["Subject"] == subject]
    ax.plot(own["Days"], own["Reaction"], "o", color="#595959", mfc="white", markersize=4)
    for name, (colour, style) in looks.items():
        a, slope = lines[name].loc[subject, ["Intercept", "Days"]]
        ax.plot([0, 9], [a, a + 9 * slope], color=colour, linestyle=style, label=name)
    ax.set_title(subject, fontsize=10)
axes[2, 1].set_xlabel("days of short sleep")
axes[1, 0].set_ylabel("reaction time (ms)")
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
bb.figure(
    fig,
    alt="Reaction times of nine drivers over ten days with three lines each. The dashed line of partial pooling lies "
    "near each driver's own line, a little towards the line of all; subject 335 has a falling line of his own and a "
    "nearly level one after pooling.",
    caption="Circles: measurements. Solid: least squares for each driver alone; dotted: one line for all; dashed: BLUP "
    "at the REML variances. No intervals are drawn.",
)

# %% [markdown]
# ## The picture to remember
#
# Each driver is one point now: intercept to the right, slope upwards. The arrows lead from his own line to what the
# model makes of it. The ellipses show how the model thinks drivers are spread.

# %%
posterior = model.integrate()
bb.compare(reml, posterior).plot_shrinkage()

# %% [markdown]
# - **The arrows do not point at the cross.** All of them slide along one direction, from upper left to lower right or
#   back.
# - **Some go away from the centre in one coordinate.** Subject 337 has a steep slope, 19.03 against an average of
#   10.47. After shrinkage it is 19.10: *steeper*.
# - **Outer points go further**, and 370 goes furthest.
#
# ## Two readings of one direction
#
# **Least squares.** A driver's own intercept and slope have errors, and the errors belong together: tilt a line a
# little steeper through the middle of its points, and its start sinks. Their correlation follows from the days alone:

# %%
X = np.column_stack([np.ones(10), np.arange(10)])
V = reml.variances.residual**2 * np.linalg.inv(X.T @ X)  # of a driver's own line, errors only
print(f"errors: sd {V[0, 0] ** 0.5:.1f} ms and {V[1, 1] ** 0.5:.2f} ms/day,", end=" ")
print(f"correlation {V[0, 1] / np.sqrt(V[0, 0] * V[1, 1]):.2f}")

# %% [markdown]
# **Bayes.** The prior of a driver is a normal distribution with the covariance $\Sigma$ of the ellipses; the data say
# where he seems to be, with errors of covariance $V$. The posterior mean is a compromise of two *matrices*:
#
# $$\hat b_j = \Lambda\,(\text{own line}_j - \hat\beta), \qquad \Lambda = \Sigma\,(\Sigma + V)^{-1}.$$
#
# That is the weight of lesson 2, as a matrix. It moves a point most in the direction in which its errors are large
# compared with the spread of drivers: along the long axis of $V$. Hence the slope of all arrows.

# %%
Sigma = reml.variances.covariances[0]
Lambda = Sigma @ np.linalg.inv(Sigma + V)
own, pooled = (lines[name][["Intercept", "Days"]].to_numpy() for name in ("no pooling", "partial"))
by_hand = reml.beta.to_numpy() + (own - reml.beta.to_numpy()) @ Lambda.T
print(Lambda.round(3))
print(f"largest difference from the package: {np.abs(by_hand - pooled).max():.0e}")

# %% [markdown]
# Read the second row: a driver's slope becomes .84 of his own slope's distance, *plus* a share of .038 of his
# intercept's distance. Subject 337 starts 39 ms above the average, which adds 1.5 ms a day: his high start suggests
# that his line is tilted too little.

# %% [markdown]
# ## `|` or `||`?
#
# `(Days | Subject)` estimates the correlation between start and slope: here .07. `(Days || Subject)` says it is 0. One
# parameter less. Do the data mind?

# %%
without = bb.MixedModel("Reaction ~ Days + (Days || Subject)", sleep).fit("REML")
print(without.variances)
bb.anova(reml, without, refit=False)[["npar", "deviance", "chisq", "df", "p"]].round(3)

# %% [markdown]
# They do not. And what do we know about the correlation?

# %%
limits = reml.confint(parameters=["corr_Subject[Days,Intercept]"]).iloc[0]
full = posterior.summary().loc["corr_Subject[Days,Intercept]"]
print(f"profile interval {limits['ci_lb']:.2f} to {limits['ci_ub']:.2f}")
print(f"posterior mean {full['mean']:.2f}, 95 % interval {full['eti95_lb']:.2f} to {full['eti95_ub']:.2f}")

# %% [markdown]
# Eighteen drivers say almost nothing about a correlation. So may we leave it out? Here is the trap: it depends on where
# zero is.

# %%
centred = sleep.assign(Day=sleep["Days"] - 4.5)
for bar in ("|", "||"):
    for column, frame in (("Days", sleep), ("Day", centred)):
        fit = bb.MixedModel(f"Reaction ~ {column} + ({column} {bar} Subject)", frame).fit("REML")
        where = "from the first day" if column == "Days" else "from the middle   "
        print(f"({column:4s} {bar:2s} Subject), days counted {where}: criterion {fit.criterion:.2f}")

# %% [markdown]
# `|` does not care: the same model in other coordinates. `||` cares: counted from the middle, drivers who are slow are
# those who lose fast (correlation .75), and without a correlation the fit is 10 units of deviance worse. `||` is a
# statement about one particular zero.
#
# **So:** a person shrinks in the direction in which his own errors are largest, not towards the centre. And `||` is a
# simplification only if the zero of the covariate means something.

# %% [markdown]
# ## The number to verify
#
# Subject 335, by hand: his own line (263.0, -2.88), the average (251.4, 10.47), and $\Lambda$ above.

# %%
start = np.array([263.03, -2.881]) - np.array([251.405, 10.467])
print("own minus average:", start.round(3))
print(f"intercept {251.405 + Lambda[0] @ start:.2f}, slope {10.467 + Lambda[1] @ start:.3f}")
print("package: ", lines["partial"].loc["335", ["Intercept", "Days"]].round(3).to_dict())

# %% [markdown]
# His improvement was mostly luck: -2.88 ms a day becomes -.285. He does not get faster, he just does not get slower.

# %% [markdown]
# ## Exercises
#
# **1.** Count days from the middle (`centred`) and draw the plane again. Which way do the arrows point now, and why?
#
# **2.** Keep only the first two days of subject 335. What is his own line, and what does the model say?
#
# **3.** In which direction would the arrows point if every driver had been measured for 100 days?
#
# **4.** By ML instead of REML: which numbers change, and in which direction?

# %% [markdown]
# ### Answer 1
#
# Errors of the level at day 4.5 and of the slope are uncorrelated ($V$ is diagonal). What is left is the correlation of
# the drivers themselves, .75: the arrows lead towards the long axis of the ellipses. The drivers are the same, and so
# are their fitted lines; only the coordinates are others.

# %%
middle = bb.MixedModel("Reaction ~ Day + (Day | Subject)", centred).fit("REML")
bb.compare(middle).plot_shrinkage()

# %% [markdown]
# ### Answer 2
#
# Two points make a line, a wild one, and the model does not take it seriously: it gives him almost the average slope.

# %%
late = sleep.index[(sleep["Subject"] == "335") & (sleep["Days"] > 1)]
short = model.drop(late)
for name, answer in (("own line", short.pool("none")), ("BLUP", short.fit("REML"))):
    rows = answer.tidy().query("component == 'group_mean' and level == '335'").set_index("term")
    print(f"{name:8s}", rows[["estimate", "uncertainty"]].round(1).T.to_dict())

# %% [markdown]
# ### Answer 3
#
# There would be hardly any arrows: $V$ shrinks like $1/n$ (for the slope much faster), and $\Lambda$ goes to the
# identity. The *direction* would still be that of the errors.
#
# ### Answer 4
#
# The sds of the drivers are smaller. What the data show is $\Sigma + V$, the spread of the drivers' own lines; ML
# divides by 18 where REML divides by 17 (lesson 3), and all that is lost comes out of $\Sigma$. The fixed effects and
# the residual sd stay as they are in this balanced design.

# %%
ml = model.fit("ML")
print(ml.variances)
print("17/18 (Sigma + V) - V:", np.round(17 / 18 * (Sigma + V) - V, 2).tolist())
print(f"log-likelihood {ml.log_likelihood:.3f}")

# %% [markdown]
# ## What would change this conclusion
#
# - **Days that differ between drivers.** Then each has his own $V_j$, and his own direction. Missing days at the end
#   make the slope uncertain, and those drivers shrink more (lesson 9).
# - **More drivers.** The correlation becomes known; with 18 it is a guess, and leaving it out costs nothing *here*.
# - **A variance of zero.** If the slopes did not differ, the ellipses would be a line, and all slopes equal (lesson
#   4).
# - **Curves instead of lines.** The first two days were training days; some analysts leave them out. Then day 2 is
#   zero.

# %%
# lme4 1.1-31 on the same data, REML and ML; own lines by least squares.
EXPECTED = {
    "Intercept": (251.405, 0.0006),
    "se of Intercept": (6.825, 0.0006),
    "Days": (10.467, 0.0006),
    "se of Days": (1.546, 0.0006),
    "sd of intercepts": (24.741, 0.0011),
    "sd of slopes": (5.922, 0.0006),
    "correlation": (0.066, 0.0006),
    "sigma": (25.592, 0.0006),
    "criterion": (1743.628, 0.0006),
    "ML, sd of intercepts": (23.780, 0.0011),
    "ML, sd of slopes": (5.717, 0.0006),
    "ML, log-likelihood": (-875.970, 0.0006),
    "||, sd of intercepts": (25.051, 0.0006),
    "||, sd of slopes": (5.988, 0.0006),
    "||, sigma": (25.565, 0.0006),
    "335 alone, intercept": (263.0, 0.05),
    "335 alone, slope": (-2.88, 0.005),
    "335, intercept": (251.1, 0.05),
    "335, slope": (-0.28, 0.006),
}

# %% [markdown]
# ## Sources
#
# - Data: G. Belenky et al. (2003), Patterns of performance degradation and restoration during sleep restriction and
#   subsequent recovery, *J. Sleep Research* 12, 1-12; as `sleepstudy` in the R package lme4.
# - D. Bates, M. Mächler, B. Bolker and S. Walker (2015), Fitting linear mixed-effects models using lme4, *J.
#   Statistical Software* 67(1), sections 1.2 and 2.3.
# - The plane with ellipses: T. J. Mahr (2017 to 2019), Plotting partial pooling in mixed-effects models.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
FOUND = {"correlation": Sigma[0, 1] / np.sqrt(Sigma[0, 0] * Sigma[1, 1]), "sigma": reml.sigma}
FOUND |= {"criterion": reml.criterion, "ML, log-likelihood": ml.log_likelihood, "||, sigma": without.sigma}
for term in ("Intercept", "Days"):
    FOUND |= {term: reml.beta[term], f"se of {term}": reml.summary(df="none").loc[term, "se"]}
for label, fit in (("", reml), ("ML, ", ml), ("||, ", without)):
    sds = fit.variances.sd("Subject")
    FOUND |= {f"{label}sd of intercepts": sds["Intercept"], f"{label}sd of slopes": sds["Days"]}
for label, which in (("335 alone", "no pooling"), ("335", "partial")):
    row = lines[which].loc["335"]
    FOUND |= {f"{label}, intercept": row["Intercept"], f"{label}, slope": row["Days"]}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
