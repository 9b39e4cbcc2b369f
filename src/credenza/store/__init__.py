"""SQL and nothing else: a connection in, frozen values out."""
