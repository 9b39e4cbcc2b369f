"""The management plane over HTTP."""
