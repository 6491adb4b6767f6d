"""The frequentist side: what a fit says about its own uncertainty."""
