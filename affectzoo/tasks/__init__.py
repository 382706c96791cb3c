"""What a model predicts: each task owns its head's size, its loss and its metrics."""
