"""The world outside: key vault, weak-key lists."""
