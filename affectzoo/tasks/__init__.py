"""What a model predicts: each task owns its head's size, its loss and its metrics.

``heads`` is light; ``build`` and what it builds import losses and metrics.
"""
