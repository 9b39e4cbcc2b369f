"""Credenza: the self-hosted credential desk of an API platform."""

__version__ = "0.1.0"
