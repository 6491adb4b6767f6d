"""Both sides of the identities, collected from a comparison."""
