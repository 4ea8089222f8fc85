"""What everything of the service stands on: settings, tables, database, store, plans, logs and figures."""
