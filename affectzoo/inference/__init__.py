"""Predict on users' images, draw results, run the demo."""
