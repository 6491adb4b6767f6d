"""Henderson's mixed model equations: the kappa -> 0 limit of a Gaussian posterior mean, and its criteria."""
