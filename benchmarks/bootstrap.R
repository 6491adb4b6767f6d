# One measurement of lme4, called by bootstrap.py: CSV, replicates, seed; JSON on stdout.
suppressMessages(library(lme4))
a <- commandArgs(TRUE)
d <- read.csv(a[1], colClasses = c(Subject = "factor"))
fit <- lmer(Reaction ~ Days + (Days | Subject), d)
begun <- as.numeric(Sys.time())
b <- bootMer(fit, function(x) c(fixef(x), getME(x, "theta"), sigma(x)), nsim = as.integer(a[2]), seed = as.integer(a[3]))
seconds <- as.numeric(Sys.time()) - begun
t <- b$t[complete.cases(b$t), ]; s <- t[, 6]; slope <- sqrt(t[, 4]^2 + t[, 5]^2)
x <- list("beta[Intercept]" = t[, 1], "beta[Days]" = t[, 2], "sigma" = s, "sd_Subject[Intercept]" = s * t[, 3],
          "sd_Subject[Days]" = s * slope, "corr_Subject[Days,Intercept]" = t[, 4] / slope)
moments <- function(v) { v <- v[is.finite(v)]; z <- v - mean(v); c(mean(v), sd(v), mean(z^4) / mean(z^2)^2, length(v)) }
cells <- sapply(names(x), function(n) sprintf('"%s": [%s]', n, paste(sprintf("%.12g", moments(x[[n]])), collapse = ", ")))
cat(sprintf('{"tool": "lme4 %s, %s", "seconds": [%.6f], "moments": {%s}}\n', as.character(packageVersion("lme4")),
            sub(" \\(.*", "", R.version.string), seconds, paste(cells, collapse = ", ")))
