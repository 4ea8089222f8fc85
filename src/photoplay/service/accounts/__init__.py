"""Who may do what: tenants, users, keys, sessions, credits and limits."""
