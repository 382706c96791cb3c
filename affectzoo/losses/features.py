"""Losses on the last hidden feature: locality-preserving loss and center loss.

Both pull a face's feature towards others of its class: towards the mean of its k nearest ones (Li
and Deng, RAF-DB, eq. 4 and 5), or towards the class's one center (Wen et al., "A Discriminative
Feature Learning Approach for Deep Face Recognition", ECCV 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, get_args

import torch
from torch import nn

from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.processes import processes, rows_of_all

FeatureLossName = Literal["none", "locality", "center"]
PART = 1024
"""How many features of the memory are compared at a time."""


def locality_preserving(
    features: torch.Tensor,
    labels: torch.Tensor,
    k: int,
    memory: torch.Tensor | None = None,
    memory_labels: torch.Tensor | None = None,
    batch: Gathered | None = None,
) -> torch.Tensor:
    """Locality-preserving loss, ``1/(2n) sum_i || x_i - mean of its k nearest of its class ||^2``.

    Neighbors are looked for among the other faces of the batch and the memory. They count as
    constants, so the gradient is ``(x_i - mean) / n`` (eq. 5). A face with fewer than k candidates
    takes all it has; one with none adds 0.

    Args:
        features: Shape (n, D).
        labels: Class indices, shape (n,); faces of class -1 neither add nor serve as neighbors.
        k: Size of the neighborhood, at least 1.
        memory: Features of other faces, shape (m, D).
        memory_labels: Their class indices, shape (m,); -1 marks rows that do not count.
        batch: The faces of all processes, of which ``features`` are this one's; by default those alone.

    Returns:
        A scalar, at least 0. Its mean over processes is the loss of their batches as one.
    """
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    if batch is None:
        batch = Gathered(wide.detach(), labels, labels, slice(0, len(labels)))
    if memory is None or memory_labels is None:
        memory, memory_labels = batch.features[:0], labels[:0]
    with torch.autocast(features.device.type, enabled=False):
        means = _neighbour_means(batch, k, memory, memory_labels)
    return (wide - means).square().sum() / (2 * batch.share)


def _neighbour_means(
    batch: Gathered, k: int, memory: torch.Tensor, memory_labels: torch.Tensor
) -> torch.Tensor:
    """For each own face the mean of its nearest of its class, or its own feature where it has none.

    Each class is searched for itself, around its own mean: distances by matrix products lose their
    digits where features lie far from the origin. The memory is read in parts that fit a cache.
    """
    means = batch.features[batch.own].clone()
    own_labels = batch.labels[batch.own]
    for label in sorted(set(own_labels[own_labels >= 0].tolist())):
        mine = (own_labels == label).nonzero().flatten()
        peers = (batch.labels == label).nonzero().flatten()
        known = (memory_labels == label).nonzero().flatten()
        center = batch.features[peers].mean(dim=0)
        queries = means[mine] - center
        to_peers = _distances(queries, batch.features[peers] - center)
        to_peers[peers == mine[:, None] + batch.own.start] = torch.inf  # itself
        distances = [to_peers]
        for part in known.split(PART):
            others = memory[part].to(means.dtype).sub_(center)
            distances.append(_distances(queries, others))
        candidates = len(peers) - 1 + len(known)
        if candidates == 0:
            continue
        nearest = torch.cat(distances, dim=1).topk(min(k, candidates), largest=False).indices
        used, places = torch.unique(nearest, return_inverse=True)
        of_batch, of_memory = used[used < len(peers)], used[used >= len(peers)] - len(peers)
        rows = torch.cat([batch.features[peers[of_batch]], memory[known[of_memory]].to(means.dtype)])
        means[mine] = rows[places].mean(dim=1)
    return means


def _distances(queries: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Squared distances, shape (queries, others), less each query's own squared length."""
    lengths = torch.linalg.vector_norm(others, dim=1).square()
    return torch.addmm(lengths, queries, others.T, alpha=-2)


def center_loss(
    features: torch.Tensor, labels: torch.Tensor, centers: torch.Tensor, share: float | None = None
) -> torch.Tensor:
    """Center loss, ``1/(2n) sum_i || x_i - c_{y_i} ||^2``.

    Args:
        features: Shape (n, D).
        labels: Class indices, shape (n,); faces of class -1 add 0.
        centers: One center per class, shape (C, D), taken as constants.
        share: What stands for n: each process's share of a batch over several; by default n.
    """
    pull = (features - centers[labels.clamp_min(0)]) * (labels >= 0)[:, None]
    return pull.square().sum() / (2 * (len(features) if share is None else share))


class Gathered(NamedTuple):
    """The faces of all processes' batches, without gradients.

    Attributes:
        features: Shape (N, D), at least float32.
        labels: Class indices, shape (N,).
        rows: Which training face each is, shape (N,).
        own: Which of them are this process's.
        processes: How many processes there are.
    """

    features: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor
    own: slice
    processes: int = 1

    @property
    def share(self) -> float:
        """Faces per process: what the mean of processes' losses must be divided by in each."""
        return len(self.labels) / self.processes


def gather(features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> Gathered:
    """Gather the batches of all processes, which may differ in size, in order of rank.

    Args:
        features: Shape (n, D).
        labels: Shape (n,).
        rows: Shape (n,).
    """
    wide = features.detach().to(torch.promote_types(features.dtype, torch.float32))
    (features, labels, rows), own = rows_of_all(wide, labels, rows)
    return Gathered(features, labels, rows, own, processes()[1])


@dataclass(frozen=True)
class FeatureLoss:
    """Which loss on the features is added to the task's, and how strongly.

    Attributes:
        name: ``none``, ``locality`` or ``center``.
        weight: Factor of the loss (the paper's lambda; best 0.003 of 0..0.1).
        k: Neighbors of the locality-preserving loss (best 20 of 10..60).
        memory: How many training faces' latest features are kept to look for neighbors in, beside
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
        if not 0 <= self.weight < math.inf or self.k < 1 or self.memory < 0 or not 0 < self.rate <= 1:
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
    set holds each face once, a smaller one a changing selection. Every process keeps the faces of all:
    the memory is no buffer, which would be sent to all processes at each step and averaged.
    """

    def __init__(self, k: int, memory: int, dim: int) -> None:
        """Reserve the memory.

        Args:
            k: Size of the neighborhood.
            memory: How many faces to remember.
            dim: Length of a feature.
        """
        super().__init__()
        self.k = k
        self.features = torch.zeros(memory, dim)
        self.labels = torch.full((memory,), -1)
        self.rows = torch.full((memory,), -1)

    @property
    def memory(self) -> dict[str, torch.Tensor]:
        """What is remembered, for a checkpoint: features, shape (memory, dim), labels and rows, (memory,)."""
        return {"features": self.features, "labels": self.labels, "rows": self.rows}

    def recall(self, memory: dict[str, torch.Tensor]) -> None:
        """Go on with the ``memory`` of a checkpoint; one of another size is filled anew."""
        for name, kept in self.memory.items():
            if name in memory and kept.shape == memory[name].shape:
                kept.copy_(memory[name])

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """Move the memory with the module, from device to device."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.features, self.labels, self.rows = fn(self.features), fn(self.labels), fn(self.rows)
        return self

    def forward(self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; afterwards the features of all processes take their places in the memory.

        Args:
            features: Shape (n, D).
            labels: Class indices, shape (n,).
            rows: Which training face each is, shape (n,): a face's own older feature is no
                neighbor.

        Returns:
            A scalar, see ``locality_preserving``.
        """
        batch = gather(features, labels, rows)
        if len(self.features) == 0:
            return locality_preserving(features, labels, self.k, batch=batch)
        others = self.labels.masked_fill(torch.isin(self.rows, batch.rows), -1)
        loss = locality_preserving(features, labels, self.k, self.features, others, batch)
        if self.training:
            self._remember(batch)
        return loss

    def _remember(self, batch: Gathered) -> None:
        """Write each place once: of faces that share one, the last row stays, whichever process had it."""
        by_row = batch.rows.argsort(stable=True)
        places = batch.rows[by_row] % len(self.features)
        used, of = places.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        order = torch.arange(len(places), device=places.device)
        last = by_row[torch.zeros_like(used).scatter_reduce_(0, of, order, "amax", include_self=False)]
        features = batch.features[last]
        finite = features.isfinite().all(dim=1)
        self.features[used] = features.to(self.features.dtype)
        self.labels[used] = batch.labels[last].masked_fill(~finite, -1)
        self.rows[used] = batch.rows[last]


class CenterLoss(nn.Module):
    """``center_loss`` with centers that follow the batches of all processes (Wen et al., eq. 3 and 4)."""

    centers: torch.Tensor

    def __init__(self, classes: int, dim: int, rate: float) -> None:
        """Put all centers at the origin.

        Args:
            classes: Number of classes.
            dim: Length of a feature.
            rate: By which share of the way centers move.
        """
        super().__init__()
        self.rate = rate
        self.register_buffer("centers", torch.zeros(classes, dim))

    def forward(self, features: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; afterwards the centers of the classes of all processes' batches move.

        Args:
            features: Shape (n, D).
            labels: Class indices, shape (n,).
            rows: Which training face each is, shape (n,).

        Returns:
            A scalar; its mean over processes is the loss of their batches as one.
        """
        batch = gather(features, labels, rows)
        loss = center_loss(features, labels, self.centers, batch.share)
        if self.training:
            with torch.no_grad():
                known = batch.labels >= 0
                found = batch.labels[known]
                count = torch.bincount(found, minlength=len(self.centers))[:, None]
                away = self.centers * count
                away.index_add_(0, found, batch.features[known].to(away.dtype), alpha=-1)
                self.centers -= self.rate * away / (1 + count)
        return loss
