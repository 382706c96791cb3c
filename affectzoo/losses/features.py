"""Losses on the last hidden feature: locality-preserving loss and center loss.

Both pull a face's feature towards others of its class: towards the mean of its k nearest ones (Li and
Deng, RAF-DB, eq. 4 and 5), or towards the class's one centre (Wen et al., "A Discriminative Feature
Learning Approach for Deep Face Recognition", ECCV 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from affectzoo.errors import AffectZooError


def locality_preserving(
    features: torch.Tensor,
    labels: torch.Tensor,
    k: int,
    memory: torch.Tensor | None = None,
    memory_labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Locality-preserving loss, ``1/(2n) sum_i || x_i - mean of its k nearest of its class ||^2``.

    Neighbours are looked for among the other faces of the batch and the memory. They count as
    constants, so the gradient is ``(x_i - mean) / n`` (eq. 5). A face with fewer than k candidates
    takes all it has; one with none adds 0.

    Args:
        features: Shape (n, D).
        labels: Class indices, shape (n,); faces of class -1 neither add nor serve as neighbours.
        k: Size of the neighbourhood, at least 1.
        memory: Features of other faces, shape (m, D).
        memory_labels: Their class indices, shape (m,); -1 marks rows that do not count.

    Returns:
        A scalar, at least 0.
    """
    own = features.detach()
    pool, pool_labels = own, labels
    if memory is not None and memory_labels is not None:
        pool = torch.cat([own, memory.to(own.dtype)])
        pool_labels = torch.cat([labels, memory_labels])
    n = len(own)
    candidates = (labels[:, None] == pool_labels[None, :]) & (labels[:, None] >= 0)
    candidates[:, :n].fill_diagonal_(False)
    distances = torch.cdist(own.float(), pool.float()).masked_fill_(~candidates, torch.inf)
    nearest, rows = distances.topk(min(k, distances.shape[1]), largest=False)
    found = nearest.isfinite()
    count = found.sum(dim=1, keepdim=True)
    mean = (pool[rows] * found[..., None]).sum(dim=1) / count.clamp_min(1)
    pull = (features - mean) * (count > 0)
    return pull.square().sum() / (2 * n)


def center_loss(
    features: torch.Tensor, labels: torch.Tensor, centers: torch.Tensor
) -> torch.Tensor:
    """Center loss, ``1/(2n) sum_i || x_i - c_{y_i} ||^2``.

    Args:
        features: Shape (n, D).
        labels: Class indices, shape (n,); faces of class -1 add 0.
        centers: One centre per class, shape (C, D), taken as constants.
    """
    pull = (features - centers[labels.clamp_min(0)]) * (labels >= 0)[:, None]
    return pull.square().sum() / (2 * len(features))


@dataclass(frozen=True)
class FeatureLoss:
    """Which loss on the features is added to the task's, and how strongly.

    Attributes:
        name: ``none``, ``locality`` or ``center``.
        weight: Factor of the loss (the paper's lambda; best 0.003 of 0..0.1).
        k: Neighbours of the locality-preserving loss (best 20 of 10..60).
        memory: How many training faces' latest features are kept to look for neighbours in, beside the
            batch; 0 for the batch alone. The size of the training set stands in for the paper's
            search over all of it.
        rate: By which share of the way a center moves at each step (Wen et al.'s alpha).
    """

    name: Literal["none", "locality", "center"] = "none"
    weight: float = 0.003
    k: int = 20
    memory: int = 0
    rate: float = 0.5

    def __post_init__(self) -> None:
        if self.weight < 0 or self.k < 1 or self.memory < 0 or not 0 < self.rate <= 1:
            raise AffectZooError(
                f"feature_loss: weight {self.weight}, k {self.k}, memory {self.memory}, rate "
                f"{self.rate}; expected weight >= 0, k >= 1, memory >= 0, 0 < rate <= 1"
            )

    def build(self, classes: int, dim: int) -> nn.Module | None:
        """The loss with its state, or ``None``; called with features, labels and row numbers."""
        if self.name == "locality":
            return LocalityPreservingLoss(self.k, self.memory, dim)
        if self.name == "center":
            return CenterLoss(classes, dim, self.rate)
        return None


class LocalityPreservingLoss(nn.Module):
    """``locality_preserving`` with a memory of the training faces' latest features."""

    features: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor
    next: torch.Tensor

    def __init__(self, k: int, memory: int, dim: int) -> None:
        """Reserve the memory.

        Args:
            k: Size of the neighbourhood.
            memory: How many faces to remember.
            dim: Length of a feature.
        """
        super().__init__()
        self.k = k
        self.register_buffer("features", torch.zeros(memory, dim))
        self.register_buffer("labels", torch.full((memory,), -1))
        self.register_buffer("rows", torch.full((memory,), -1))
        self.register_buffer("next", torch.zeros((), dtype=torch.long))

    def forward(
        self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """The loss of a batch; afterwards its features replace the memory's oldest.

        Args:
            features: Shape (n, D).
            labels: Class indices, shape (n,).
            rows: Which training face each is, shape (n,): a face's own older feature is no neighbour.
        """
        if len(self.features) == 0:
            return locality_preserving(features, labels, self.k)
        stale = torch.isin(self.rows, rows)
        self.labels[stale] = -1
        loss = locality_preserving(features, labels, self.k, self.features, self.labels)
        if self.training:
            self._remember(features.detach(), labels, rows)
        return loss

    def _remember(self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> None:
        size = len(self.features)
        features, labels, rows = features[-size:], labels[-size:], rows[-size:]
        places = (self.next + torch.arange(len(rows), device=rows.device)) % size
        self.features[places] = features.to(self.features.dtype)
        self.labels[places] = labels
        self.rows[places] = rows
        self.next.copy_((self.next + len(rows)) % size)


class CenterLoss(nn.Module):
    """``center_loss`` with centres that follow the batches (Wen et al., eq. 3 and 4)."""

    centers: torch.Tensor

    def __init__(self, classes: int, dim: int, rate: float) -> None:
        """Put all centres at the origin.

        Args:
            classes: Number of classes.
            dim: Length of a feature.
            rate: By which share of the way centres move.
        """
        super().__init__()
        self.rate = rate
        self.register_buffer("centers", torch.zeros(classes, dim))

    def forward(
        self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """The loss of a batch; afterwards the centres of its classes move.

        Args:
            features: Shape (n, D).
            labels: Class indices, shape (n,).
            rows: Not used.
        """
        loss = center_loss(features, labels, self.centers)
        if self.training:
            with torch.no_grad():
                known = labels >= 0
                member = torch.nn.functional.one_hot(labels[known], len(self.centers)).float()
                count = member.sum(dim=0)[:, None]
                away = self.centers * count - member.T @ features[known].float()
                self.centers -= self.rate * away / (1 + count)
        return loss
