"""The frequentist side: standard errors, degrees of freedom, profiles, tests, bootstrap, influence."""
