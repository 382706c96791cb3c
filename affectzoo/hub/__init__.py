"""Publish weights: cards, published folders, bundled files."""
