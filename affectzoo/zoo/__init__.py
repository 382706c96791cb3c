"""List, create, load and import models."""
