"""Scene and template to motion track."""
