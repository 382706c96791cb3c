"""Finding faces in images; never part of training."""
