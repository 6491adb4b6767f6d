# Fits of one R package, called by fit.py: package, CSV, factors, formula, method, way, seconds, runs at least,
# seconds from which one run is enough. The last line of stdout is JSON. Every way is described in README.md.
a <- commandArgs(TRUE); tool <- a[1]; way <- a[6]; reml <- a[5] == "REML"
now <- function() as.numeric(Sys.time())   # system.time() has steps of 1 ms
begun <- now(); suppressMessages(library(tool, character.only = TRUE)); imported <- now() - begun
factors <- strsplit(a[3], ",")[[1]]
d <- read.csv(a[2], colClasses = setNames(rep("factor", length(factors)), factors))
seconds <- as.numeric(a[7]); least <- as.integer(a[8]); long <- as.numeric(a[9])
f <- as.formula(a[4]); strict <- way == "strict"

fit_lme4 <- function() {
  tight <- list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e6)
  control <- lmerControl(calc.derivs = way != "no derivatives", optCtrl = if (strict) tight else list())
  t0 <- now(); m <- lmer(f, d, REML = reml, control = control); whole <- now() - t0; alone <- NULL
  if (least > 1 && whole < long) {
    p <- lFormula(f, d, REML = reml, control = control)
    t0 <- now()
    dev <- do.call(mkLmerDevfun, c(p, list(control = control)))
    opt <- optimizeLmer(dev, calc.derivs = way != "no derivatives", control = control$optCtrl)
    invisible(mkMerMod(environment(dev), opt, p$reTrms, fr = p$fr)); alone <- now() - t0
  }
  list(whole = whole, alone = alone, criterion = if (reml) REMLcrit(m) else -2 * as.numeric(logLik(m)))
}

# nlme writes the random part apart: one factor with any terms, or nested intercepts
parts <- regmatches(a[4], gregexpr("\\(([^()]*)\\)", a[4]))[[1]]
fixed <- as.formula(sub("\\+ *$", "", trimws(gsub("\\+? *\\([^()]*\\)", "", a[4]))))
inner <- gsub("[()]", "", parts)
random <- if (length(inner) == 1) as.formula(paste("~", inner)) else
  as.formula(paste("~ 1 |", paste(trimws(sub(".*\\|", "", inner)), collapse = " / ")))
fit_nlme <- function() {
  control <- if (strict) lmeControl(tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 500) else lmeControl()
  t0 <- now(); m <- lme(fixed, d, random = random, method = a[5], control = control); whole <- now() - t0
  list(whole = whole, alone = NULL, criterion = -2 * as.numeric(logLik(m)))
}

fit_glmmTMB <- function() {
  tight <- list(rel.tol = 1e-14, iter.max = 1e5, eval.max = 1e5)
  control <- if (strict) glmmTMBControl(optCtrl = tight) else glmmTMBControl()
  t0 <- now(); m <- glmmTMB(f, d, REML = reml, control = control); whole <- now() - t0
  list(whole = whole, alone = NULL, criterion = 2 * m$fit$objective)
}

once <- list(lme4 = fit_lme4, nlme = fit_nlme, glmmTMB = fit_glmmTMB)[[tool]]
whole <- alone <- NULL; begun <- now()
repeat {
  found <- once(); whole <- c(whole, found$whole); alone <- c(alone, found$alone)
  if (found$whole > long || length(whole) >= 200 || (length(whole) >= least && now() - begun > seconds)) break
}
json <- function(x) paste0("[", paste(sprintf("%.9f", x), collapse = ","), "]")
cat(sprintf('{"tool": "%s %s", "import": %.6f, "criterion": %.12f, "whole": %s, "alone": %s}\n', tool,
            as.character(packageVersion(tool)), imported, found$criterion, json(whole), json(alone)))
