"""Rendered heads with exact tracks and labels: training data that shows nobody."""
