"""What the RFCs say: bytes and keys in, facts or refusals out."""
