"""What one does with a data set before training: check, describe, prepare, name its protocols."""
