"""What is asked: formula, covariance structure, prior and design. Knows no estimation."""
