"""What the product says: words, life cycle, permissions. No clock, no I/O."""
