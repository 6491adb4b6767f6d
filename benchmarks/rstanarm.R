# One measurement of rstanarm, called by posterior.py: CSV, formula, iterations; JSON on stdout. Its own default priors.
suppressMessages(library(rstanarm))
a <- commandArgs(TRUE)
d <- read.csv(a[1], colClasses = c(Subject = "factor")); n <- as.integer(a[3])
options(mc.cores = 2)
now <- function() as.numeric(Sys.time())
t0 <- now()
m <- stan_lmer(as.formula(a[2]), d, chains = 4, iter = 1000 + n, warmup = 1000, seed = 1, refresh = 0)
whole <- now() - t0
draws <- as.matrix(m); b <- draws[, grepl("^b\\[", colnames(draws)) & !grepl("_NEW_", colnames(draws))]
monitor <- rstan::monitor(as.array(m)[, , colnames(b)], warmup = 0, print = FALSE)
times <- rstan::get_elapsed_time(m$stanfit)
json <- function(x) paste0("[", paste(sprintf("%.9f", x), collapse = ","), "]")
cat(sprintf('{"tool": "rstanarm %s", "whole": %.6f, "sampling": %.6f, "ess": %.3f, "names": [%s], "mean": %s, "sd": %s, "mcse": %s}\n',
            as.character(packageVersion("rstanarm")), whole, sum(times[, "sample"]) / 2, min(monitor[, "Bulk_ESS"]),
            paste0('"', colnames(b), '"', collapse = ","), json(colMeans(b)), json(apply(b, 2, sd)),
            json(apply(b, 2, sd) / sqrt(monitor[, "Bulk_ESS"]))))
