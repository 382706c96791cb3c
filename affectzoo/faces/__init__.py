"""Finding faces in pictures; never part of training."""
