"""Prior analysis: what a prior of the sds does to the answers."""
