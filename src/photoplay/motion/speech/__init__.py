"""From speech to motion: what is said when, and what a face does while it says it."""
