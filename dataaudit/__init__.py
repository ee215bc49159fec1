"""Audit an image-classification dataset before training."""

__version__ = "0.1.0"
