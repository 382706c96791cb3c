"""Metrics beyond torchmetrics' own."""
