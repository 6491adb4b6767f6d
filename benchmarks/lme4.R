# One measurement of lme4, called by fit.py: CSV, factors, formula, method, seconds, runs at least, derivatives; JSON on stdout.
suppressMessages(library(lme4))
a <- commandArgs(TRUE)
factors <- strsplit(a[2], ",")[[1]]
d <- read.csv(a[1], colClasses = setNames(rep("factor", length(factors)), factors))
f <- as.formula(a[3]); reml <- a[4] == "REML"; seconds <- as.numeric(a[5]); least <- as.integer(a[6])
control <- lmerControl(calc.derivs = a[7] == "TRUE")
now <- function() as.numeric(Sys.time())   # system.time() has steps of 1 ms
whole <- alone <- NULL; begun <- now()
repeat {
  t0 <- now(); m <- lmer(f, d, REML = reml, control = control); whole <- c(whole, now() - t0)
  if (least > 1) {
    p <- lFormula(f, d, REML = reml, control = control)
    t0 <- now()
    dev <- do.call(mkLmerDevfun, c(p, list(control = control)))
    opt <- optimizeLmer(dev, calc.derivs = a[7] == "TRUE")
    invisible(mkMerMod(environment(dev), opt, p$reTrms, fr = p$fr)); alone <- c(alone, now() - t0)
  }
  if (length(whole) >= 200 || (length(whole) >= least && now() - begun > seconds)) break
}
crit <- if (reml) REMLcrit(m) else -2 * as.numeric(logLik(m))
json <- function(x) paste0("[", paste(sprintf("%.9f", x), collapse = ","), "]")
cat(sprintf('{"tool": "lme4 %s, %s", "criterion": %.12f, "whole": %s, "alone": %s}\n',
            as.character(packageVersion("lme4")), sub(" \\(.*", "", R.version.string), crit, json(whole), json(alone)))
