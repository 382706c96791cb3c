"""Predictions for others: an HTTP service, and an app in the browser; by default for this machine alone."""
