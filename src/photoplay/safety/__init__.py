"""The gates around the line: admission before it, seal after it."""
