"""Request and response shapes, shared by the HTTP API and the SDK."""
