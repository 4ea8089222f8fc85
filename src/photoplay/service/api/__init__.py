"""What the network sees: routes, shapes, problems, the studio's files."""
