"""Losses as plain functions and small modules; nothing here knows of Lightning."""
