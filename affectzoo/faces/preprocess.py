"""One value that says how a face becomes a network's input, used wherever a face does so.

Training, evaluation, the weights file and prediction all hold the same ``Preprocess``; none of
them has a second opinion on crop, size, color, range, mean or standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from affectzoo.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from PIL.Image import Image as PillowImage

    Image = npt.NDArray[np.uint8]
    Points = npt.NDArray[np.float32]

Box = tuple[float, float, float, float]
"""A box as x0, y0, x1, y1 in pixels of its image, x1 and y1 excluded."""

LARGEST = 1024
"""Bound on a face's edge, pixels: on what weights can ask of those who load them."""
LARGEST_BOX = 4
"""How many times larger than its image's longer edge a face's box may be."""


CropShape = Literal["square", "stretch"]
"""What is cut around a face: a square, or the box itself, whose content is then stretched to a square."""


class Region(NamedTuple):
    """A rectangle in pixels of an image; it may reach beyond the image's edges."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class PreprocessChange:
    """Fields of ``Preprocess`` to change; those that are not given stay as they are.

    Attributes:
        size: Height and width of the network's input, pixels.
        resize: Height and width of the whole face before the central cut. Where ``size`` alone is given, this
            keeps its proportion to it (256 for 224 becomes 128 for 112); ``size``'s own value means no cut.
        color: ``rgb`` or ``gray``. Without ``mean`` and ``std``, these become their means over the channels.
        mean: One value per channel, or one for all, on the 0..1 scale.
        std: One value per channel, or one for all, on the 0..1 scale.
        margin: Share by which the square is larger than the face box's longer edge.
        shape: ``square`` or ``stretch``.
    """

    size: int | None = None
    resize: int | None = None
    color: Literal["rgb", "gray"] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    margin: float | None = None
    shape: CropShape | None = None


@dataclass(frozen=True)
class Preprocess:
    """How a face becomes a network's input.

    Steps, in order: cut a square around the face (``margin``, ``shape``), convert to ``color``, resize to
    ``resize`` x ``resize``, cut the central ``size`` x ``size``, scale pixels from 0..255 to 0..1,
    subtract ``mean`` and divide by ``std``.

    Attributes:
        size: Height and width of the network's input, pixels.
        resize: Height and width of the whole face before the central cut; ``None`` is ``size``.
        color: ``rgb`` (3 channels) or ``gray`` (1 channel, ITU-R 601 luma).
        mean: One value per channel, on the 0..1 scale.
        std: One value per channel, on the 0..1 scale.
        margin: Share by which the square is larger than the face box's longer edge.
        shape: ``square``: nothing is stretched. ``stretch``: the box, each edge larger by ``margin``, is
            stretched to a square, as in Ulloa Rodriguez's thesis (UPF Barcelona 2019, section 4.3), whose box
            is the rectangle of the most extreme landmarks; ready crops are stretched, too.
    """

    size: int
    resize: int | None = None
    color: Literal["rgb", "gray"] = "rgb"
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    margin: float = 0.0
    shape: CropShape = "square"

    def __post_init__(self) -> None:
        """Spread single values over the channels; refuse what makes no sense."""
        object.__setattr__(self, "mean", self._per_channel("mean"))
        object.__setattr__(self, "std", self._per_channel("std"))
        if self.color not in ("rgb", "gray"):
            raise OptionError(f"preprocess: color is '{self.color}', only rgb and gray exist")
        if self.shape not in get_args(CropShape):
            raise OptionError(f"preprocess: shape is '{self.shape}', only square and stretch exist")
        sizes = [self.size] if self.resize is None else [self.size, self.resize]
        if not all(type(edge) is int for edge in sizes):
            raise OptionError(f"preprocess: size {self.size} and resize {self.resize} must be whole numbers")
        if not all(map(math.isfinite, (*self.mean, *self.std, self.margin))):
            raise OptionError("preprocess: mean, std and margin must be finite")
        if not 1 <= self.size <= self.face_size <= LARGEST:
            raise OptionError(
                f"preprocess: size {self.size} and resize {self.resize} must keep "
                f"1 <= size <= resize <= {LARGEST}"
            )
        if min(self.std) <= 0 or not -0.5 <= self.margin <= 4:
            raise OptionError("preprocess: std must be above 0 and margin between -0.5 and 4")

    def _per_channel(self, field: str) -> tuple[float, ...]:
        values = tuple(float(value) for value in getattr(self, field))
        if len(values) == 1:
            values *= self.channels
        if len(values) != self.channels:
            raise OptionError(
                f"preprocess: {field} has {len(values)} values, but {self.color} has "
                f"{self.channels} channel(s)"
            )
        return values

    @property
    def channels(self) -> int:
        """Number of input channels: 3 or 1."""
        return 3 if self.color == "rgb" else 1

    @property
    def face_size(self) -> int:
        """Height and width of the whole face before the central cut, pixels."""
        return self.size if self.resize is None else self.resize

    def check_margin(self, margin: float, where: str) -> None:
        """Refuse prepared crops that end before what is cut out: their last pixels would be repeated instead.

        Args:
            margin: How much larger than the faces' boxes they are, as a share of a box's longer edge.
            where: Whose they are, for the error.

        Raises:
            OptionError: They do.
        """
        if self.margin > margin:
            raise OptionError(
                f"{where}: prepared with --margin {margin:g}, but the model looks at a margin of "
                f"{self.margin:g} around faces: prepare them again with --margin {self.margin:g} or more"
            )

    @classmethod
    def merged(
        cls,
        default: Preprocess,
        weights: Preprocess | None = None,
        given: Preprocess | PreprocessChange | None = None,
    ) -> Preprocess:
        """Decide how a model's faces are prepared.

        Args:
            default: As the architecture's paper does.
            weights: As the weights that the model starts from were trained; goes before ``default``.
            given: What the user says: a whole ``Preprocess``, or single fields, each of which replaces that
                field alone.

        Raises:
            OptionError: The fields do not fit each other, or ``given`` is of another type.
        """
        base = weights or default
        if given is None or isinstance(given, Preprocess):
            return given or base
        if not isinstance(given, PreprocessChange):
            raise OptionError(
                f"preprocess is {given!r}; expected a Preprocess or a change of it, PreprocessChange(size=96)"
            )
        changed = {name: value for name, value in vars(given).items() if value is not None}
        if "size" in changed and "resize" not in changed and base.resize is not None:
            changed["resize"] = round(base.resize * changed["size"] / base.size)
        if changed.get("color", base.color) != base.color:
            changed = {name: (fmean(getattr(base, name)),) for name in ("mean", "std")} | changed
        return replace(base, **changed)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form that ``from_dict`` reads back; a ``shape`` of ``square`` is not in it."""
        told = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        if self.shape == "square":
            del told["shape"]
        return told

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Read what ``to_dict`` wrote.

        Raises:
            OptionError: A field is missing, unknown or out of range.
        """
        known = {field.name for field in fields(cls)}
        if not set(values) <= known or "size" not in values:
            raise OptionError(
                f"preprocess: fields are {', '.join(sorted(known))} (size is required), "
                f"but got {', '.join(sorted(values)) or 'none'}"
            )
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**given)

    def region(self, image: Image, box: Box | None = None) -> Region:
        """The part of an image that becomes the face.

        Args:
            image: Shape (H, W, 3) or (H, W).
            box: The face in pixels of ``image``: the square has its center and its longer edge,
                plus the margin; under ``stretch`` each edge is the box's own, plus the margin. ``None`` when
                the image is a ready crop: the square then holds it whole, so that nothing is stretched, and
                under ``stretch`` it is taken as it is.

        Raises:
            OptionError: The box has no area, or the region no pixel, inside the image, or the box is many
                times larger.
        """
        height, width = image.shape[:2]
        x0, y0, x1, y1 = (0, 0, width, height) if box is None else box
        edge = max(x1 - x0, y1 - y0)
        if edge < 1 and x0 < x1 and y0 < y1:
            raise OptionError(
                f"face box {x0:g}, {y0:g}, {x1:g}, {y1:g} is smaller than a pixel: pixels of the image are "
                "expected, these look like shares of its width and height"
            )
        if box is not None and edge > LARGEST_BOX * max(width, height):
            raise OptionError(
                f"face box {x0:g}, {y0:g}, {x1:g}, {y1:g} is many times larger than its image of "
                f"{width} x {height} pixels"
            )
        if x0 < x1 and y0 < y1 and x0 < width and y0 < height and x1 > 0 and y1 > 0:
            margin = 0.0 if box is None else self.margin
            edges = (x1 - x0, y1 - y0) if self.shape == "stretch" else (edge, edge)
            across, down = (max(1, round(own * (1 + margin))) for own in edges)
            x, y = round((x0 + x1 - across) / 2), round((y0 + y1 - down) / 2)
            if x < width and y < height and x + across > 0 and y + down > 0:
                return Region(x, y, across, down)
        raise OptionError(
            f"face box {x0:g}, {y0:g}, {x1:g}, {y1:g} has no area inside an image of "
            f"{width} x {height} pixels"
        )

    def face(self, image: Image, box: Box | None = None) -> Image:
        """Cut a face out, in this color and at ``face_size``.

        Where the region leaves the image, its edge pixels are repeated.

        Args:
            image: Shape (H, W, 3) RGB or (H, W) gray, 0..255.
            box: The face in the image; ``None`` when the image is a ready crop.

        Returns:
            Shape (face_size, face_size, 3) or (face_size, face_size), 0..255.
        """
        import cv2

        x, y, across, down = self.region(image, box)
        height, width = image.shape[:2]
        outside = (max(0, -y), max(0, y + down - height), max(0, -x), max(0, x + across - width))
        face = image[max(0, y) : y + down, max(0, x) : x + across]
        if any(outside):
            face = cv2.copyMakeBorder(face, *outside, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        if face.ndim == 3 and self.color == "gray":
            face = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        elif face.ndim == 2 and self.color == "rgb":
            face = cv2.cvtColor(face, cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
        if across == down == self.face_size:
            return face
        method = cv2.INTER_AREA if across * down > self.face_size**2 else cv2.INTER_LINEAR
        target = (self.face_size, self.face_size)
        return cv2.resize(face, target, interpolation=method)  # type: ignore[return-value]

    def points(self, points: Points, image: Image, box: Box | None = None) -> Points:
        """Move landmarks along with ``face``.

        Args:
            points: Shape (N, 2), x and y in pixels of ``image``; whole numbers are pixel centers.
            image: The image that ``face`` gets.
            box: The box that ``face`` gets.

        Returns:
            Shape (N, 2), in pixels of the face at ``face_size``.
        """
        x, y, across, down = self.region(image, box)
        scale = (self.face_size / across, self.face_size / down)
        moved: Points = ((points - (x, y) + 0.5) * scale - 0.5).astype(points.dtype)
        return moved

    def input_points(self, points: Points, image: Image, box: Box | None = None) -> Points:
        """Move landmarks along with ``__call__``; as ``points``, less what the central cut takes.

        Returns:
            Shape (N, 2), in pixels of the network's input.
        """
        return self.cut_points(self.points(points, image, box))

    def image_points(self, points: Points, region: Region) -> Points:
        """Bring landmarks that a network gives back to the image, as ``input_points`` took them from it.

        Args:
            points: Shape (2 N,), x and y in turn, -1 to 1 from the network's input's one edge to the other.
            region: The part of the image that became the face.

        Returns:
            Shape (N, 2), in pixels of the image; whole numbers are pixel centers.
        """
        x, y, across, down = region
        inside = (points.reshape(-1, 2) + 1) * (self.size / 2) + (self.face_size - self.size) // 2
        moved: Points = (
            inside * (across / self.face_size, down / self.face_size) + (x - 0.5, y - 0.5)
        ).astype(points.dtype)
        return moved

    def cut_points(self, points: Points) -> Points:
        """Move landmarks of a face at ``face_size`` along with ``tensor``, which cuts its center out.

        Returns:
            Shape (N, 2), in pixels of the network's input.
        """
        moved: Points = points - points.dtype.type((self.face_size - self.size) // 2)
        return moved

    def tensor(self, face: Image) -> torch.Tensor:
        """The network's input from a face: central cut if it is larger, scaled and normalized.

        Args:
            face: Shape (S, S, 3) or (S, S), 0..255, S at least ``size``.

        Returns:
            Shape (channels, size, size), float32.
        """
        import numpy as np
        import torch

        offset = (face.shape[0] - self.size) // 2
        cut = face[offset : offset + self.size, offset : offset + self.size]
        pixels = cut.reshape(self.size, self.size, self.channels)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return tensor.float().sub_(_of_channels(self.mean)).div_(_of_channels(self.std))

    def __call__(self, image: Image | PillowImage, box: Box | None = None) -> torch.Tensor:
        """Turn an image into the network's input, as evaluation and prediction do.

        Args:
            image: Shape (H, W, 3) RGB or (H, W) gray, 0..255; or what ``files.images.as_image`` takes, such
                as a Pillow image.
            box: The face in the image; ``None`` when the image is a ready crop.

        Returns:
            Shape (channels, size, size), float32.
        """
        import numpy as np

        from affectzoo.files.images import as_image

        pixels = image if isinstance(image, np.ndarray) else as_image(image, "the image")
        return self.tensor(self.face(pixels, box))


@cache
def _of_channels(values: tuple[float, ...]) -> torch.Tensor:
    """Shares of 255 as a tensor of shape (channels, 1, 1), on the CPU, whatever torch's default device is."""
    import torch

    return torch.tensor(values, device="cpu").view(-1, 1, 1) * 255
