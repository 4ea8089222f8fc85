"""Scene and motion track to frames."""
