"""Which samples each process serves, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import DistributedSampler

from affectzoo.processes import processes


class Draw(NamedTuple):
    """A sample to serve.

    Attributes:
        row: Which one.
        seed: Seed of all that is drawn for it: augmentation, targets, a substitute.
    """

    row: int
    seed: int


class TrainingSampler(DistributedSampler[Draw]):
    """Draws each epoch's order for all processes alike, and serves this process's share of it.

    Every process serves equally many; what is left over is others in each epoch. Each sample has a seed of
    its own, drawn with the order: what is drawn for it differs between epochs, processes and loading workers,
    yet depends on nothing but seed, epoch and place. Two processes with half the batch size each see what one
    process would. That it is a ``DistributedSampler`` keeps Lightning from putting its own in place.
    """

    def __init__(self, rows: npt.ArrayLike, seed: int, weights: npt.ArrayLike | None = None) -> None:
        """Share out.

        Args:
            rows: The samples of an epoch, shape (M,).
            seed: Seed of all draws; equal in all processes.
            weights: Chances by which M of the rows are drawn, with repeats, shape (M,) with sum 1; by default
                each row comes once.
        """
        rank, world = processes()
        super().__init__(range(np.size(rows)), world, rank, seed=seed)  # type: ignore[arg-type]
        self.rows = np.asarray(rows)
        self.weights = None if weights is None else np.asarray(weights)
        self._served = (0, 0)

    def resume(self, epoch: int, served: int) -> None:
        """Go on in the middle of an epoch.

        Args:
            epoch: The epoch to come, from 0.
            served: How many of its samples this process has been served; they do not come again in it.
        """
        self.set_epoch(epoch)
        self._served = (epoch, served)

    def __len__(self) -> int:
        """Samples of this process in a whole epoch, at least one."""
        return max(1, len(self.rows) // self.num_replicas)

    def __iter__(self) -> Iterator[Draw]:
        """This epoch's share; the next call is the next epoch's, unless ``set_epoch`` says otherwise."""
        random = np.random.default_rng((self.seed, self.epoch))
        served = self._served[1] if self._served[0] == self.epoch else 0
        self.epoch += 1
        if self.weights is None:
            order = random.permutation(self.rows)
        else:
            order = random.choice(self.rows, len(self.rows), p=self.weights)
        order = np.resize(order, len(self) * self.num_replicas)
        seeds = random.integers(2**63, size=len(order))
        mine = slice(self.rank + served * self.num_replicas, None, self.num_replicas)
        return map(Draw, order[mine].tolist(), seeds[mine].tolist())


class EvaluationSampler(DistributedSampler[int]):
    """Serves each sample in one process, in order.

    Lightning's own would repeat samples to even the processes out. A process for which none is left serves
    one again, as each must take part; predictions of a face seen twice count once.
    """

    def __init__(self, count: int) -> None:
        """Share out ``count`` samples."""
        rank, world = processes()
        super().__init__(range(count), world, rank, shuffle=False)  # type: ignore[arg-type]
        self.places = range(rank if rank < count else rank % count, count, world)

    def __len__(self) -> int:
        """Samples of this process."""
        return len(self.places)

    def __iter__(self) -> Iterator[int]:
        """Go through them."""
        return iter(self.places)
