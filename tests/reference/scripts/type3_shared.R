## Type III F statistics of unbalanced models, by lmerTest and by car. Run from tests/reference :  Rscript scripts/type3_shared.R
source("scripts/ref_lib.R")
suppressMessages({library(lmerTest); library(car)})
.SMALL <- TRUE

set.seed(20240611)
n <- 180L
d <- data.frame(
  a = factor(sample(c("p", "q", "r"), n, TRUE, c(.5, .3, .2))),
  b = factor(sample(c("low", "mid", "top", "max"), n, TRUE, c(.35, .25, .2, .2))),
  c = factor(sample(c("no", "yes"), n, TRUE, c(.65, .35))),
  flag = runif(n) > .6,
  x = round(rnorm(n, 1.5, 2), 2),
  g = factor(sample(sprintf("g%02d", 1:12), n, TRUE)))
stopifnot(all(table(d$a, d$b, d$c) > 0))
d$y <- round(rnorm(12, 0, 1.5)[d$g] + .6 * as.integer(d$a) - .4 * (d$b == "top") + .3 * d$x * (d$a == "q") + .5 * d$flag + rnorm(n), 3)

one <- function(formula, contrasts = NULL, with_car = TRUE) {
  m <- lmerTest::lmer(formula, d, REML = TRUE, control = .CTL)
  a <- anova(m, type = 3, ddf = "Satterthwaite")
  out <- list(formula = deparse1(formula), sigma = sigma(m), theta = arr(getME(m, "theta")),
              lmerTest = lapply(setNames(seq_len(nrow(a)), rownames(a)), function(i) list(NumDF = as.integer(a$NumDF[i]), F = a$`F value`[i])))
  if (with_car) {   # Wald chi-squares of the coefficients in sum coding; F = Chisq / Df
    used <- intersect(c("a", "b", "c", "flag"), all.vars(formula))
    s <- d; s$flag <- factor(s$flag)
    ms <- lme4::lmer(formula, s, REML = TRUE, control = .CTL, contrasts = setNames(rep(list("contr.sum"), length(used)), used))
    w <- car::Anova(ms, type = 3, test.statistic = "Chisq"); w <- w[rownames(w) != "(Intercept)", ]
    out$car <- lapply(setNames(seq_len(nrow(w)), rownames(w)), function(i) list(NumDF = as.integer(w$Df[i]), F = w$Chisq[i] / w$Df[i]))
  }
  out
}
models <- list(
  three_factors = one(y ~ a * b * c + x + (1 | g)),
  slopes_by_factor = one(y ~ (a + c) * x + b + (1 | g)),
  logical = one(y ~ flag * a + x + (1 | g)),
  slopes_in_levels = one(y ~ a + a:x + (1 | g), with_car = FALSE),     # car would test a in another parametrisation
  cell_means = one(y ~ 1 + a:c + (1 | g), with_car = FALSE),           # rank deficient in R
  no_intercept = one(y ~ 0 + a + x + (1 | g), with_car = FALSE))
write_json17(list(
  source = paste0("R ", getRversion(), ", lme4 ", packageVersion("lme4"), ", lmerTest ", packageVersion("lmerTest"), ", car ", packageVersion("car")),
  script = "scripts/type3_shared.R", method = "REML",
  data = lapply(d, function(v) if (is.factor(v)) as.character(v) else v), models = models), "type3/unbalanced.json")
