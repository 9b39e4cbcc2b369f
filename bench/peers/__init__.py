"""What others do with the same calls."""
