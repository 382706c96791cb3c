"""Augmentation in front of the one shared last stage, ``Preprocess.tensor``.

Albumentations does the work; two of its habits are corrected here: a flip keeps the order of
landmarks (left and right must change places), and its seeding makes the steps draw alike.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask the network

import albumentations as A
import cv2
import numpy as np
import torch

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.faces.landmarks import MIRROR
from affectzoo.faces.preprocess import Preprocess

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Box, Image, Points

Augment = Literal["none", "five_crops", "random_crop", "modern", "robust", "detected"]


class Flip(A.HorizontalFlip):  # type: ignore[misc]
    """Mirror image and landmarks, so that each landmark keeps its name (left eye stays left).

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
        augment: ``none``; ``five_crops``: a corner or the center, and flips (AffectNet, section
            4.2); ``random_crop``: a random place (RAF-DB, section V-B); ``modern``: flip, small
            rotation, zoom, shift and shear, light, and a covered patch; ``robust``: that, and now and then a
            tint, or blur, noise, compression or few pixels; ``detected``: that, with zoom and shift as wide
            as detectors' boxes differ (benchmarks/landmarks.py).
        preprocess: Gives both sizes.

    Raises:
        UnknownNameError: There is no such augmentation.
    """
    if augment not in get_args(Augment):
        raise UnknownNameError("augment", augment, get_args(Augment))
    full, size = preprocess.face_size, preprocess.size
    if augment == "none":
        return []
    if augment == "random_crop":
        return [A.RandomCrop(size, size)]
    if augment == "five_crops":
        corners = [(x, y) for x in (0, full - size) for y in (0, full - size)]
        places = [A.Crop(x, y, x + size, y + size) for x, y in corners]
        return [A.OneOf([*places, A.CenterCrop(size, size)], p=1), Flip(p=0.5)]
    zoom, shift = (0.25, 0.15) if augment == "detected" else (0.15, 0.08)
    steps = [
        Flip(p=0.5),
        A.Affine(
            rotate=(-20, 20),
            scale=(1 - zoom, 1 + zoom),
            translate_percent=(-shift, shift),
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
    degraded = [] if augment == "modern" else _degradations(preprocess)
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


class Face(NamedTuple):
    """A face cut out of its image.

    Attributes:
        pixels: Shape (face_size, face_size, 3) or (face_size, face_size), 0..255.
        landmarks: Shape (N, 2), pixels of ``pixels``; ``None`` where there are none.
    """

    pixels: Image
    landmarks: Points | None = None


def drawn_seed() -> int:
    """A seed from PyTorch's generator, for what is drawn without one."""
    return int(torch.randint(2**63 - 1, (), device="cpu"))


class FaceTransform:
    """From an image to the network's input, landmarks along with it."""

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

    def __call__(
        self,
        image: Image,
        box: Box | None = None,
        landmarks: Points | None = None,
        *,
        seed: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Cut the face out, augment it, scale and normalize it.

        Args:
            image: Shape (H, W, 3) RGB or (H, W) gray, 0..255.
            box: The face in pixels of ``image``; ``None`` when the image is a ready crop.
            landmarks: Shape (N, 2), pixels of ``image``.
            seed: Seed of the augmentation; by default drawn from PyTorch's generator.

        Returns:
            The input, shape (channels, size, size), float32, and the landmarks in its pixels, shape (N, 2).

        Raises:
            AffectZooError: The box has no area inside the image.
        """
        return self.still(self.face(image, box, landmarks), seed)

    def face(self, image: Image, box: Box | None = None, landmarks: Points | None = None) -> Face:
        """Cut the face out, landmarks along with it; nothing is drawn yet. Arguments as for ``__call__``."""
        points = None if landmarks is None else self.preprocess.points(landmarks, image, box)
        return Face(self.preprocess.face(image, box), points)

    def still(self, face: Face, seed: int | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Augment a face, scale and normalize it; returns as ``__call__``."""
        pixels, points = face
        if self._augment is not None:
            self.check_landmarks(0 if points is None else len(points))
            given = {} if points is None else {"keypoints": points}
            moved = self._seeded(seed)(image=pixels, **given)
            pixels = moved["image"]
            points = None if points is None else np.asarray(moved["keypoints"], np.float32)
        tensor = self.preprocess.tensor(pixels)
        return tensor, None if points is None else torch.from_numpy(points - self._offset(pixels))

    def clip(
        self, faces: Sequence[Face], seed: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Augment the frames of a clip alike, then scale and normalize each.

        Args:
            faces: T of them, some perhaps without landmarks.
            seed: Seed of the augmentation; by default drawn from PyTorch's generator.

        Returns:
            The inputs, shape (T, channels, size, size), and the landmarks in their pixels, shape (T, N, 2),
            NaN for frames without; ``None`` when no frame has any.
        """
        marked = {i: face.landmarks for i, face in enumerate(faces) if face.landmarks is not None}
        count = max(map(len, marked.values()), default=0)
        first = faces[0].pixels
        frames = np.stack([face.pixels for face in faces]).reshape(len(faces), *first.shape[:2], -1)
        points = np.concatenate(list(marked.values())) if marked else None
        if self._augment is not None:
            self.check_landmarks(count)
            moved = self._seeded(seed)(images=frames, **({} if points is None else {"keypoints": points}))
            frames = moved["images"]
            points = None if points is None else np.asarray(moved["keypoints"], np.float32)
        images = torch.stack([self.preprocess.tensor(frame) for frame in frames])
        if points is None:
            return images, None
        landmarks = torch.full((len(faces), count, 2), torch.nan, device="cpu")
        moved_points = points.reshape(len(marked), count, 2) - self._offset(frames[0])
        landmarks[list(marked)] = torch.from_numpy(moved_points)
        return images, landmarks

    def check_landmarks(self, count: int) -> None:
        """Get ready for so many landmarks per face.

        Raises:
            OptionError: The augmentation mirrors, and which of them are left and right is not known.
        """
        if count and self._flips and count not in MIRROR:
            raise OptionError(
                f"{count} landmarks cannot be mirrored (known: {', '.join(map(str, MIRROR))}); choose "
                "--data.augment none or random_crop, which do not mirror"
            )
        for flip in self._flips:
            flip.points = count

    def _offset(self, pixels: Image) -> np.float32:
        """What the central cut, still to come, takes from each coordinate."""
        return np.float32((pixels.shape[0] - self.preprocess.size) // 2)

    def _seeded(self, seed: int | None) -> A.Compose:
        """The augmentation, about to draw from a seed's own generator.

        One generator serves all steps. Albumentations' own seeding gives each step a generator that starts
        alike: a patch would be covered in mirrored faces alone.
        """
        assert self._augment is not None
        seed = drawn_seed() if seed is None else seed
        self._augment.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return self._augment
