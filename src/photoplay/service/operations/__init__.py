"""What an operator runs: serve, backup, check-up."""
