"""Full posterior: the model in PyMC, and what is read from its draws."""
