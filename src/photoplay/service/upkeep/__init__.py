"""What goes on by itself: workers, and what is cleared away."""
