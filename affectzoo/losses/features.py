"""Losses on the last hidden feature: locality-preserving loss and center loss.

Both pull a face's feature towards others of its class: towards the mean of its k nearest ones (Li
and Deng, RAF-DB, eq. 4 and 5), or towards the class's one centre (Wen et al., "A Discriminative
Feature Learning Approach for Deep Face Recognition", ECCV 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from affectzoo.errors import AffectZooError, UnknownNameError

FeatureLossName = Literal["none", "locality", "center"]
PART = 1024
"""How many features of the memory are compared at a time."""


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
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    own = wide.detach()
    if memory is None or memory_labels is None:
        memory, memory_labels = own[:0], labels[:0]
    with torch.autocast(features.device.type, enabled=False):
        means = _neighbour_means(own, labels, k, memory, memory_labels)
    return (wide - means).square().sum() / (2 * len(features))


def _neighbour_means(
    own: torch.Tensor,
    labels: torch.Tensor,
    k: int,
    memory: torch.Tensor,
    memory_labels: torch.Tensor,
) -> torch.Tensor:
    """For each face the mean of its nearest of its class, or its own feature where it has none.

    Each class is searched for itself, around its own mean: distances by matrix products lose their
    digits where features lie far from the origin. The memory is read in parts that fit a cache.
    """
    means = own.clone()
    for label in sorted(set(labels[labels >= 0].tolist())):
        mine = (labels == label).nonzero().flatten()
        known = (memory_labels == label).nonzero().flatten()
        center = own[mine].mean(dim=0)
        queries = own[mine] - center
        distances = [_distances(queries, queries).fill_diagonal_(torch.inf)]
        for part in known.split(PART):
            others = memory[part].to(own.dtype).sub_(center)
            distances.append(_distances(queries, others))
        candidates = len(mine) - 1 + len(known)
        if candidates == 0:
            continue
        nearest = torch.cat(distances, dim=1).topk(min(k, candidates), largest=False).indices
        used, places = torch.unique(nearest, return_inverse=True)
        of_batch, of_memory = used[used < len(mine)], used[used >= len(mine)] - len(mine)
        rows = torch.cat([own[mine[of_batch]], memory[known[of_memory]].to(own.dtype)])
        means[mine] = rows[places].mean(dim=1)
    return means


def _distances(queries: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Squared distances, shape (queries, others), less each query's own squared length."""
    lengths = torch.linalg.vector_norm(others, dim=1).square()
    return torch.addmm(lengths, queries, others.T, alpha=-2)


def center_loss(features: torch.Tensor, labels: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
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
        memory: How many training faces' latest features are kept to look for neighbours in, beside
            the batch; 0 for the batch alone. The size of the training set stands in for the paper's
            search over all of it.
        rate: By which share of the way a center moves at each step (Wen et al.'s alpha).
    """

    name: FeatureLossName = "none"
    weight: float = 0.003
    k: int = 20
    memory: int = 0
    rate: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in get_args(FeatureLossName):
            raise UnknownNameError("feature_loss", self.name, get_args(FeatureLossName))
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
    """``locality_preserving`` with a memory of the training faces' latest features.

    A face's place in the memory is its row modulo the memory's size: a memory as large as the training
    set holds each face once, a smaller one a changing selection.
    """

    features: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor

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

    def forward(self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; afterwards its features take their places in the memory.

        Args:
            features: Shape (n, D).
            labels: Class indices, shape (n,).
            rows: Which training face each is, shape (n,): a face's own older feature is no
                neighbour.
        """
        if len(self.features) == 0:
            return locality_preserving(features, labels, self.k)
        others = self.labels.masked_fill(torch.isin(self.rows, rows), -1)
        loss = locality_preserving(features, labels, self.k, self.features, others)
        if self.training:
            places = rows % len(self.features)
            finite = features.detach().isfinite().all(dim=1)
            self.features[places] = features.detach().to(self.features.dtype)
            self.labels[places] = labels.masked_fill(~finite, -1)
            self.rows[places] = rows
        return loss


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

    def forward(self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
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
                count = torch.bincount(labels[known], minlength=len(self.centers))[:, None]
                away = self.centers * count
                away.index_add_(0, labels[known], features[known].to(away.dtype), alpha=-1)
                self.centers -= self.rate * away / (1 + count)
        return loss
