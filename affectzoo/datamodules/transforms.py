"""Augmentation in front of the one shared last stage, ``Preprocess.tensor``.

Albumentations does the work; two of its habits are corrected here: a flip keeps the order of
landmarks (left and right must change places), and its random state ignores PyTorch's seeds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask the network

import albumentations as A
import cv2
import numpy as np
import torch

from affectzoo.errors import AffectZooError
from affectzoo.faces.landmarks import MIRROR
from affectzoo.faces.preprocess import Preprocess

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Points

Augment = Literal["none", "five_crops", "random_crop", "modern", "robust"]


class Flip(A.HorizontalFlip):  # type: ignore[misc]
    """Mirror picture and landmarks, so that each landmark keeps its name (left eye stays left).

    Attributes:
        points: Landmarks per face; several faces' follow one another.
    """

    points = 68

    def apply_to_keypoints(self, keypoints: np.ndarray, **params: object) -> np.ndarray:
        """Mirror each face's landmarks, and let left and right change places."""
        flipped: np.ndarray = super().apply_to_keypoints(keypoints, **params)
        faces = flipped.reshape(-1, self.points, flipped.shape[-1])
        return faces[:, list(MIRROR[self.points])].reshape(flipped.shape)


def augmentation(augment: Augment, preprocess: Preprocess) -> list[A.BasicTransform | A.BaseCompose]:
    """The random steps, from a face of ``face_size`` to one of ``size``.

    Args:
        augment: ``none``; ``five_crops``: a corner or the centre, and flips (AffectNet, section
            4.2); ``random_crop``: a random place (RAF-DB, section V-B); ``modern``: flip, small
            rotation, zoom, shift and shear, light, and a covered patch; ``robust``: that, and now and then a
            tint, or blur, noise, compression or few pixels.
        preprocess: Gives both sizes.
    """
    full, size = preprocess.face_size, preprocess.size
    if augment == "none":
        return []
    if augment == "random_crop":
        return [A.RandomCrop(size, size)]
    if augment == "five_crops":
        corners = [(x, y) for x in (0, full - size) for y in (0, full - size)]
        places = [A.Crop(x, y, x + size, y + size) for x, y in corners]
        return [A.OneOf([*places, A.CenterCrop(size, size)], p=1), Flip(p=0.5)]
    steps = [
        Flip(p=0.5),
        A.Affine(
            rotate=(-20, 20),
            scale=(0.85, 1.15),
            translate_percent=(-0.08, 0.08),
            shear={"x": (-6, 6), "y": (0, 0)},
            border_mode=cv2.BORDER_REPLICATE,
            p=1,
        ),
        A.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.4, p=1),
        A.CoarseDropout(
            num_holes_range=(1, 1),
            hole_height_range=(0.15, 0.35),
            hole_width_range=(0.15, 0.35),
            fill="random_uniform",
            p=0.25,
        ),
    ]
    degraded = _degradations(preprocess) if augment == "robust" else []
    return [*steps, *degraded, A.RandomCrop(size, size)]


def _degradations(preprocess: Preprocess) -> list[A.BasicTransform | A.BaseCompose]:
    """Make faces look as those of bad cameras do: strengths are shares of the face, whatever its size."""
    full = preprocess.face_size
    small = min(full, 48)  # pixels of a small face: there noise and compression are as coarse as in life
    tint = A.MultiplicativeNoise(multiplier=(0.8, 1.2), per_channel=True, p=0.3)
    worse = A.OneOf(
        [
            A.GaussianBlur(blur_limit=0, sigma_limit=(small / 96, small / 28)),
            A.GaussNoise(std_range=(0.02, 0.09), per_channel=False),
            A.ImageCompression(quality_range=(15, 60)),
            A.Resize(small // 2, small // 2, interpolation=cv2.INTER_AREA),
        ],
        p=1,
    )
    shrunk = A.Resize(small, small, interpolation=cv2.INTER_AREA)
    degrade = A.Sequential([shrunk, worse, A.Resize(full, full)], p=0.25)
    return [*([tint] if preprocess.channels == 3 else []), degrade]


class FaceTransform:
    """From a face at ``face_size`` to the network's input, landmarks along with it."""

    def __init__(self, preprocess: Preprocess, augment: Augment = "none") -> None:
        """Build the pipeline.

        Args:
            preprocess: The model's preprocessing.
            augment: Which augmentation; ``none`` for evaluation.
        """
        self.preprocess = preprocess
        steps = augmentation(augment, preprocess)
        keep_all = A.KeypointParams(format="xy", remove_invisible=False)
        self._augment = A.Compose(steps, keypoint_params=keep_all) if steps else None
        self._flips = [step for step in steps if isinstance(step, Flip)]

    def seed(self, seed: int) -> None:
        """Restart the random draws; every data loading process needs a seed of its own."""
        if self._augment is not None:
            self._augment.set_random_seed(seed % 2**32)

    def __call__(
        self, face: Image, landmarks: Points | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Augment, then scale and normalise.

        Args:
            face: What ``Preprocess.face`` returned, 0..255.
            landmarks: Shape (N, 2), pixels of ``face``.

        Returns:
            The input, shape (channels, size, size), and the landmarks in its pixels.
        """
        points = None if landmarks is None else [landmarks]
        images, moved = self.clip([face], points or [None])
        return images[0], None if moved is None else moved[0]

    def clip(
        self, faces: Sequence[Image], landmarks: Sequence[Points | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Augment the frames of a clip alike, then scale and normalise each.

        Args:
            faces: What ``Preprocess.face`` returned, T of them.
            landmarks: Of each frame, shape (N, 2), pixels of its face, or ``None``.

        Returns:
            The inputs, shape (T, channels, size, size), and the landmarks in their pixels, shape (T, N, 2),
            NaN for frames without; ``None`` when no frame has any.
        """
        count = max((len(points) for points in landmarks if points is not None), default=0)
        frames = np.stack(faces).reshape(len(faces), *faces[0].shape[:2], -1)
        known = [i for i, points in enumerate(landmarks) if points is not None]
        points = np.concatenate([np.empty((0, 2), np.float32), *(landmarks[i] for i in known)])
        if count and self._flips:
            if count not in MIRROR:
                raise AffectZooError(
                    f"{count} landmarks cannot be mirrored (known: {', '.join(map(str, MIRROR))}); choose an "
                    "augmentation without flips: none or random_crop"
                )
            for flip in self._flips:
                flip.points = count
        if self._augment is not None:
            result = self._augment(images=frames, keypoints=points)
            frames, points = result["images"], np.asarray(result["keypoints"], np.float32)
        images = torch.stack([self.preprocess.tensor(frame) for frame in frames])
        if not count:
            return images, None
        offset = (frames.shape[1] - self.preprocess.size) // 2  # the central cut still to come
        moved = torch.full((len(faces), count, 2), torch.nan, device="cpu")
        moved[known] = torch.from_numpy(points.reshape(len(known), count, 2) - np.float32(offset))
        return images, moved
