"""The frequentist side: what is read from a fit beyond its estimates."""
