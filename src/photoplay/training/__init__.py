"""Training of the pocket model: synthetic heads, warped stills, licensed clips; objective, trainer, evaluation, export."""
