"""Evaluate models on data under protocols."""
