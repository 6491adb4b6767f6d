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
# # 7. Which prior for a standard deviation?
#
# **Question.** Can a prior for a standard deviation say nothing?
#
# **Data.** eight_schools
#
# **You need.** Lesson 6: eight schools, and the sd $\tau$ between them.
#
# **Time.** 35 minutes with the exercises.

# %% [markdown]
# ## The question
#
# "I have no prior opinion, so I took a flat one." For the mean of the schools this works. What does "flat" mean for a
# standard deviation? Flat on $\tau$? On $\tau^2$? On $\log \tau$? These are three different priors. And there are only
# a few schools to overrule them.
#
# For years, the usual "says nothing" prior was an inverse gamma with tiny parameters, IG(.001, .001), for the variance.
# It has the right form for the algebra, and its name sounds harmless. We put four priors on trial, once with eight
# schools and once with the first three.

# %% [markdown]
# ## Look

# %%
import matplotlib.pyplot as plt
import numpy as np

import blupbayes as bb


def model_of(schools):
    return bb.MixedModel("y ~ 1 + (1 | school)", schools, weights=1 / schools["se"] ** 2, sigma=1)


schools = bb.load_dataset("eight_schools")
eight, three = model_of(schools), model_of(schools.head(3))
schools.set_index("school").T

# %% [markdown]
# What do two of the priors say before any data? They are stated for the variance; here they are on the scale that we
# think in, points of the test. $x = \log_{10} \tau$, and the curve tells how much of the prior lies near each order of
# magnitude.

# %%
decades = np.linspace(-4, 4, 801)
tau = 10.0**decades
curves = {  # density per decade: density of tau times tau log(10)
    "IG(.001, .001) on variance": 2 * 0.001 * tau**-0.002 * np.exp(-0.001 / tau**2),
    "IG(1, 1) on variance": 2 * tau**-2 * np.exp(-1 / tau**2),
    "HalfCauchy(25)": 2 / np.pi * (tau / 25) / (1 + (tau / 25) ** 2),
}
fig, ax = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
for (name, height), style in zip(curves.items(), ((0, (5, 1)), "-.", "-"), strict=True):
    ax.plot(decades, height * np.log(10), color="#000000", linestyle=style, label=name)
ax.set_xticks([-4, -2, 0, 1, 2, 4], ["0.0001", "0.01", "1", "10", "100", "10 000"])
ax.set(xlabel="τ (points, log scale)", ylabel="prior per decade", ylim=(0, None))
ax.legend(frameon=False)
bb.figure(
    fig,
    alt="Prior density per decade of tau. IG(1, 1) has nearly all its mass between 0.5 and 10 points, half-Cauchy(25) "
    "between 1 and 1000, and IG(.001, .001) is spread so thinly over all decades above 0.01 that one hardly sees it.",
    caption="Three priors of an sd on the log scale. Whole densities; no intervals are drawn.",
)

# %% [markdown]
# - IG(1, 1) has a strong opinion: schools differ by 1 or 2 points.
# - IG(.001, .001) has almost no mass anywhere near. It is nearly flat on $\log \tau$, so every decade gets the same:
#   .1 to 1 as much as 10 to 100. The data must choose among decades, and no data can rule out a tiny $\tau$.
# - The half-Cauchy says: up to a few tens, more if the data insist.
#
# ## Eight schools

# %%
priors = {
    "Uniform(0, 1000)": "Uniform(0, 1000)",
    "HalfCauchy(25)": "HalfCauchy(25)",
    "IG(1, 1) on variance": "InverseGamma(1, 1) on variance",
    "IG(.001, .001) on variance": "InverseGamma(.001, .001) on variance",
}
sens8 = eight.sensitivity(priors, levels=["A", "C"])
sens8.plot_sds(priors=list(priors))

# %% [markdown]
# - **Uniform:** the posterior has its own shape; the prior is not to be seen. With eight groups, flat on $\tau$ does
#   no harm.
# - **Half-Cauchy:** much the same.
# - **IG(1, 1):** the posterior *is* the prior. The data have no say.
# - **IG(.001, .001):** a spike at zero, put there by the prior. It does not say nothing: it says "pool".
#
# ## The picture to remember
#
# The same four priors, three schools.

# %%
sens3 = three.sensitivity(priors, levels=["A", "C"])
sens3.plot_sds(priors=list(priors))

# %% [markdown]
# Now the flat prior fails, too. Its median is 22.6, and its interval goes to 366 points on a test that ends at 800.
# Nobody believes that coaching effects differ by hundreds of points. Three schools cannot say so, and flat does not.
# The half-Cauchy does: 11, at most 58.
#
# Why? Far out, the likelihood of $J$ schools falls off like $\tau^{-(J-1)}$: with 8 like $\tau^{-7}$, with 3 like
# $\tau^{-2}$. A density with a tail of $\tau^{-2}$ has no mean. The bound 1000, chosen to be "large enough", then is
# the answer:

# %%
sd = "sd_school[Intercept]"
for upper in (50, 100, 1000, 10_000):
    ends = [m.integrate(bb.Prior(sd=f"Uniform(0, {upper})")).quantile(sd, 0.975) for m in (eight, three)]
    print(
        f"Uniform(0, {upper:>5}): 97.5 % limit of tau with 8 schools {ends[0]:5.1f}, with 3 schools {ends[1]:5.0f}"
    )

# %% [markdown]
# ## Does it matter for the schools?
#
# The prior is on $\tau$, the question was about school A:

# %%
sens3.table()

# %%
print(sens3.verdict())

# %% [markdown]
# School A is at 21 or at 11, by prior alone. The data are the same three numbers.
#
# **So:** no prior for an sd says nothing. With many groups, many say little. With few groups, say what you know: which
# order of magnitude is possible in these units? A half-Cauchy or half-normal with that scale writes it down where all
# can see it. And show what another choice would give, as in the table above.

# %% [markdown]
# ## The number to verify
#
# Three schools, Uniform(0, 1000). A grid, as in lesson 6: ten lines, no package.

# %%
y, se = (schools[column].to_numpy()[:3] for column in ("y", "se"))
grid = np.linspace(0, 1000, 200_001)
v = se[:, None] ** 2 + grid**2
V = 1 / np.sum(1 / v, axis=0)
mu = V * np.sum(y[:, None] / v, axis=0)
p = np.sqrt(V) * np.exp(-0.5 * np.sum(np.log(v) + (y[:, None] - mu) ** 2 / v, axis=0))


def quantiles(density, probs):
    mass = np.cumsum((density[1:] + density[:-1]) / 2)
    return np.interp(probs, mass / mass[-1], grid[1:])


uniform, cauchy = quantiles(p, [0.5, 0.975]), quantiles(p / (1 + (grid / 25) ** 2), [0.5, 0.975])
print(f"Uniform(0, 1000): median {uniform[0]:.1f}, 97.5 % {uniform[1]:.0f}")
print(f"HalfCauchy(25):   median {cauchy[0]:.1f}, 97.5 % {cauchy[1]:.1f}   (up to 1000)")

# %% [markdown]
# ## Exercises
#
# **1.** "IG(e, e) becomes neutral as e becomes small." Try e = 1, .1, .01, .001 with eight schools. Does the median of
# $\tau$ settle?
#
# **2.** Half-Cauchy with scales 5, 25 and 100. How much does the median move with eight schools, how much with three?
#
# **3.** A colleague likes flat on $\log \tau$, density $1/\tau$: "it does not depend on the units". What does the
# package say? Why?
#
# **4.** How many schools does the uniform prior need? Use the first 3, 4, 5, ... and look at the 97.5 % limit.

# %% [markdown]
# ### Answer 1
#
# No. The median goes up, then falls to .6, and would go on falling: in the limit the posterior is improper, all of it
# at 0. A prior whose "limit of ignorance" changes the answer is not a neutral one.

# %%
for e in (1, 0.1, 0.01, 0.001):
    low, middle, high = eight.integrate(bb.Prior(sd=f"InverseGamma({e}, {e}) on variance")).quantile(
        sd, [0.025, 0.5, 0.975]
    )
    print(f"e = {e:<5g} median {middle:.2f}, 95 % interval {low:.2f} to {high:.1f}")

# %% [markdown]
# ### Answer 2
#
# With eight schools from 2.8 to 5.2, and it settles near 5.2, which is the flat answer. With three it goes from 4 to
# 18: there the scale is a real decision, to be made from what is known about coaching, before the data.

# %%
for scale in (5, 25, 100):
    medians = [m.integrate(bb.Prior(sd=f"HalfCauchy({scale})")).quantile(sd, 0.5) for m in (eight, three)]
    print(f"scale {scale:3d}: median with 8 schools {medians[0]:5.2f}, with 3 schools {medians[1]:5.2f}")

# %% [markdown]
# ### Answer 3
#
# It refuses. Near 0 the likelihood of $\tau$ is flat and positive (all schools equal is possible), and $1/\tau$ has
# infinite mass there: the posterior is no distribution. A sampler would not tell you; it would wander towards 0 for
# ever.

# %%
try:
    eight.integrate(bb.Prior(sd="Flat on log sd"))
except bb.BlupbayesError as refusal:
    print(refusal)

# %% [markdown]
# ### Answer 4
#
# Each further school takes a power off the tail. With 5 the limit depends little on the bound.

# %%
for n in (3, 4, 5, 6, 8):
    ends = [
        model_of(schools.head(n)).integrate(bb.Prior(sd=f"Uniform(0, {u})")).quantile(sd, 0.975)
        for u in (100, 1000)
    ]
    print(
        f"{n} schools: 97.5 % limit {ends[0]:5.1f} with Uniform(0, 100), {ends[1]:5.1f} with Uniform(0, 1000)"
    )

# %% [markdown]
# ## What would change this conclusion
#
# - **Smaller standard errors.** With four times the pupils the likelihood of $\tau$ has a peak away from 0, and
#   IG(.001, .001) has nothing to put a spike on. Its harm is greatest where $\tau$ may be small.
# - **More groups.** With 30 schools the four posteriors are nearly one (but IG(1, 1) still has an opinion).
# - **Other units.** A scale of 25 means 25 *points*. In hundreds of points it must be .25. The default prior of this
#   package takes its scale from the data's own spread, so that units do not matter.
# - **Real knowledge.** Earlier trials of coaching are worth more than any clever default.

# %%
# By quadrature, done twice: here, and elsewhere. The choice of priors is Gelman's (2006), who shows them as pictures.
EXPECTED = {
    "three, uniform, median": (22.6, 0.1),
    "three, uniform, 97.5 %": (367, 2),
    "three, half-Cauchy, median": (11.0, 0.06),
    "three, half-Cauchy, 97.5 %": (57.7, 0.3),
    "by hand, uniform, median": (22.6, 0.1),
    "by hand, uniform, 97.5 %": (367, 2),
    "eight, flat, median": (5.24, 0.02),
    "eight, flat, 97.5 %": (20.8, 0.1),
}

# %% [markdown]
# ## Sources
#
# - Data: D. B. Rubin (1981), Estimation in parallel randomized experiments, *J. Educational Statistics* 6, 377-401.
# - A. Gelman (2006), Prior distributions for variance parameters in hierarchical models, *Bayesian Analysis* 1,
#   515-534.
#
# The last cell checks the numbers of this lesson; it is silent if they are right.

# %%
wanted = {"uniform": "Uniform(0, 1000)", "half-Cauchy": "HalfCauchy(25)"}
FOUND = {"by hand, uniform, median": uniform[0], "by hand, uniform, 97.5 %": uniform[1]}
for name, label in wanted.items():
    median, limit = sens3.posteriors[label].quantile(sd, [0.5, 0.975])
    FOUND |= {f"three, {name}, median": median, f"three, {name}, 97.5 %": limit}
at = eight.integrate(bb.Prior(sd="Flat")).quantile(sd, [0.5, 0.975])
FOUND |= {"eight, flat, median": at[0], "eight, flat, 97.5 %": at[1]}
for name, (value, tolerance) in EXPECTED.items():
    assert abs(FOUND[name] - value) <= tolerance, name
