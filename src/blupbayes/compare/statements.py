"""The identities by name: the equation of docs/theory.md, and what it says. Braces are filled in by who checks it."""

__all__ = ["STATEMENTS"]

STATEMENTS = {
    "gls": ("[E-GLS]", "The beta of the mixed model equations is generalised least squares with V."),
    "blup": ("[E-BLUP]", "Their b is Sigma Z'V^-1 (y - o - X beta), the best linear unbiased predictor."),
    "pls": (
        "[E-PLS]",
        "Both are least squares on the data extended by one pseudo-observation of 0 for each random effect.",
    ),
    "var_beta": ("[E-PEV]", "The beta block of the inverse of Henderson's matrix is Var(beta_hat)."),
    "pev": ("[E-PEV]", "Its b block is the prediction-error variance Var(b_hat - b)."),
    "cross_cov": ("[E-PEV]", "Its block between them is Cov(b_hat - b, beta_hat)."),
    "cond_var": ("[E-PEV]", "The inverse of the b block alone is Var(b | y, beta), the smaller of the two."),
    "weight": (
        "[E-WEIGHT]",
        "The weight 1 - Var(b | y, beta)/Sigma is the share of Sigma that Sigma Z'V^-1 Z Sigma is.",
    ),
    "weight_matrix": (
        "[E-WEIGHT]",
        "The BLUP of a level is the matrix weight I - Var(b | y, beta) Sigma^-1 times its own least squares.",
    ),
    "kappa_rate": (
        "[E-RATE]",
        "At kappa = {kappa:.3g}, a(kappa) - a(0) = -kappa M(0)^-1 E_P (a(kappa) - a_m), nothing neglected.",
    ),
    "reml": (
        "[E-REML]",
        "The restricted log-likelihood is the log-density of y with beta integrated out, formed with V.",
    ),
    "evidence": (
        "[E-EVIDENCE]",
        "The log evidence at kappa = {kappa:.3g} is log p(y) under beta ~ N(0, (kappa P)^-1), formed with V.",
    ),
    "harville": (
        "[E-HARVILLE]",
        "As kappa goes to 0, log evidence - (1/2) log|kappa P/(2 pi)| goes to the REML log-likelihood; for X of "
        "deficient rank P is that of the columns that are kept.",
    ),
    "score": (
        "[E-SCORE]",
        "T' times the slope of the REML log-likelihood in T is made of prediction-error variances and effects, -(J I - "
        "sum C_ll) + sum u_l u_l'/sigma^2; at T half way to sds of one sigma, as at the optimum both are 0.",
    ),
    "blp": (
        "[E-BLP]",
        "x'beta + z'b is the best linear unbiased predictor x'beta + delta'(y - o - X beta), delta = V^-1 Cov(y, z'b); "
        "for new levels it is x'beta.",
    ),
    "blp_variance": ("[E-BLP]", "Its error variance is that of the best linear unbiased predictor."),
    "reml_mode": (
        "[E-HARVILLE]",
        "The REML estimates are a mode of the posterior under flat priors: the slope of its log in the sds, the "
        "correlations and sigma is 0.",
    ),
    "kkt": (
        "[E-SCORE]",
        "Where a covariance is estimated as singular, the log posterior under flat priors rises in no direction "
        "without variance.",
    ),
    "oneway_reml": (
        "[E-ONEWAY]",
        "In a balanced one-way layout the REML estimates are SSE and SST in closed form.",
    ),
    "oneway_ml": (
        "[E-ONEWAY]",
        "In a balanced one-way layout the ML estimates are SSE and SST in closed form.",
    ),
    "oneway_det": ("[E-ONEWAY]", "log|V| = (n - J) log sigma^2 + J log(sigma^2 + r sigma_a^2)."),
    "oneway_weight": (
        "[E-ONEWAY]",
        "Every group's own mean keeps the weight r sigma_a^2/(r sigma_a^2 + sigma^2).",
    ),
    "tower": (
        "[E-TOWER]",
        "The posterior mean of beta and b is their conditional mean averaged over that of the variances, {how}.",
    ),
    "total_variance": (
        "[E-TOTALVAR]",
        "Their posterior variance is the mean conditional variance plus the variance of the conditional mean, {how}.",
    ),
    "posterior_density": (
        "[E-EVIDENCE]",
        "The posterior density of the variances is their prior times the evidence, or for a flat beta the REML "
        "likelihood, formed with V.",
    ),
    "ledger_mean": (
        "[E-LEDGER]",
        "The parts of the ledger add up to the posterior mean minus the BLUP at the REML variances, {how}.",
    ),
    "ledger_variance": (
        "[E-LEDGER]",
        "The parts of the ledger add up to the posterior variance minus the prediction-error variance at the REML "
        "variances, {how}.",
    ),
    "pymc": (
        "[E-EVIDENCE]",
        "The collapsed PyMC model has the log-density of y, beta and b integrated out, that is formed with V.",
    ),
}
