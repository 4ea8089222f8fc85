"""Open weights through diffusers: one thin adapter a model family, one way for all of them from a request to frames."""
