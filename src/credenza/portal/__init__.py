"""The management plane in the browser."""
