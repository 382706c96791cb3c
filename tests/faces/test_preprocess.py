from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fakes import Picture, write_picture
from PIL import Image as PIL

from affectzoo.errors import AffectZooError, UnreadableImageError
from affectzoo.faces.preprocess import Box, Preprocess, PreprocessChange, Region
from affectzoo.files.images import read_image


def coordinates(height: int, width: int) -> Picture:
    """An image whose pixels say where they are: red is x, green is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("box", "margin", "region"),
    [
        ((10, 20, 30, 60), 0.0, (0, 20, 40)),
        ((20, 10, 60, 30), 0.0, (20, 0, 40)),
        ((10, 20, 30, 60), 0.5, (-10, 10, 60)),
        ((10, 20, 30, 60), -0.5, (10, 30, 20)),
        ((-20, 50, 20, 90), 0.0, (-20, 50, 40)),
        ((80, 70, 140, 130), 0.0, (80, 70, 60)),
        ((10.4, 20.4, 30.1, 40.4), 0.0, (10, 20, 20)),
        (None, 0.5, (0, -10, 100)),
    ],
)
def test_region(box: Box | None, margin: float, region: tuple[int, int, int]) -> None:
    preprocess = Preprocess(size=8, margin=margin)
    x, y, side = region
    assert preprocess.region(coordinates(80, 100), box) == Region(x, y, side, side)


@pytest.mark.parametrize(
    ("box", "margin", "region"),
    [
        ((10, 20, 30, 60), 0.0, (10, 20, 20, 40)),
        ((10, 20, 30, 60), 0.5, (5, 10, 30, 60)),  # 5 and 10 pixels more on each side
        ((80, 70, 140, 130), 0.0, (80, 70, 60, 60)),
        (None, 0.5, (0, 0, 100, 80)),
    ],
)
def test_stretched_region(box: Box | None, margin: float, region: tuple[int, int, int, int]) -> None:
    preprocess = Preprocess(size=8, margin=margin, shape="stretch")
    assert preprocess.region(coordinates(80, 100), box) == Region(*region)


def test_rectangle_of_the_extreme_landmarks_is_stretched_by_hand() -> None:
    """Ulloa Rodriguez's crop: 20 x 40 pixels around three points become 40 x 40, landmarks with them."""
    image = coordinates(80, 100)
    points = np.array([[10, 30], [29, 20], [15, 59]], np.float32)  # extremes: x 10 to 29, y 20 to 59
    box = (10.0, 20.0, 30.0, 60.0)
    preprocess = Preprocess(size=40, shape="stretch")
    face = preprocess.face(image, box)
    assert face.shape == (40, 40, 3)
    np.testing.assert_array_equal(face[:, 0, 1], np.arange(20, 60))  # rows are as they were
    np.testing.assert_array_equal(face[0, [0, 3, 20, 39], 0], [10, 11, 20, 29])  # columns twice as wide
    moved = preprocess.points(points, image, box)
    np.testing.assert_allclose(moved, [[0.5, 10], [38.5, 0], [10.5, 39]])
    assert preprocess(image, box).shape == (3, 40, 40)


def test_shape_is_told_where_it_is_not_the_usual_one() -> None:
    assert "shape" not in Preprocess(size=8).to_dict()
    stretched = Preprocess(size=8, shape="stretch")
    assert Preprocess.from_dict(stretched.to_dict()) == stretched
    assert Preprocess.merged(Preprocess(size=8), None, PreprocessChange(shape="stretch")) == stretched
    with pytest.raises(AffectZooError):
        Preprocess(size=8, shape="round")  # type: ignore[arg-type]


@pytest.mark.parametrize("box", [(10, 20, 30, 40), (-7, -3, 13, 17), (90, 70, 110, 90), (-5, 30, 15, 50)])
def test_face_is_the_region_with_its_edge_repeated(box: Box) -> None:
    image = coordinates(80, 100)
    face = Preprocess(size=20).face(image, box)
    x, y = int(box[0]), int(box[1])
    padded = np.pad(image, ((20, 20), (20, 20), (0, 0)), mode="edge")
    np.testing.assert_array_equal(face, padded[y + 20 : y + 40, x + 20 : x + 40])


@pytest.mark.parametrize("shape", [(20, 40), (40, 20)])
def test_ready_crop_is_padded_not_stretched(shape: tuple[int, int]) -> None:
    image = coordinates(*shape)
    face = Preprocess(size=40, margin=0.5).face(image)
    padding = [((40 - side) // 2,) * 2 for side in shape]
    np.testing.assert_array_equal(face, np.pad(image, [*padding, (0, 0)], mode="edge"))


def test_face_converts_colour() -> None:
    primaries = (np.eye(3) * 255).astype(np.uint8)[:, None, :].repeat(3, axis=1)
    gray = Preprocess(size=3, color="gray").face(primaries)
    np.testing.assert_array_equal(gray, [[76] * 3, [150] * 3, [29] * 3])
    rgb = Preprocess(size=3).face(gray)
    np.testing.assert_array_equal(rgb, gray[..., None].repeat(3, axis=2))


def test_shrinking_averages_every_pixel() -> None:
    block = np.zeros((4, 4), np.uint8)
    block[0, 0] = 160
    face = Preprocess(size=2, color="gray").face(np.tile(block, (2, 2)))
    np.testing.assert_array_equal(face, np.full((2, 2), 10))


def test_tensor_cuts_the_centre_scales_and_normalises_each_channel() -> None:
    face = np.random.default_rng(0).integers(0, 256, (7, 7, 3), np.uint8)
    preprocess = Preprocess(size=4, resize=7, mean=(0.0, 0.5, 0.25), std=(1.0, 0.5, 0.25))
    tensor = preprocess.tensor(face)
    assert (tensor.shape, tensor.dtype) == ((3, 4, 4), torch.float32)
    for channel, (mean, std) in enumerate(((0.0, 1.0), (0.5, 0.5), (0.25, 0.25))):
        expected = (face[1:5, 1:5, channel] / 255 - mean) / std
        np.testing.assert_allclose(tensor[channel].numpy(), expected, atol=1e-6)


def test_gray_tensor_leaves_the_face_as_it_was() -> None:
    face = np.arange(16, dtype=np.uint8).reshape(4, 4)
    tensor = Preprocess(size=4, color="gray", mean=(0.0,), std=(1.0,)).tensor(face)
    np.testing.assert_allclose(tensor.numpy(), np.arange(16).reshape(1, 4, 4) / 255, atol=1e-7)
    np.testing.assert_array_equal(face.ravel(), np.arange(16))


def test_call_is_face_then_tensor() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    preprocess = Preprocess(size=24, resize=30, color="gray", margin=0.2)
    box = (10, 10, 40, 45)
    expected = preprocess.tensor(preprocess.face(image, box))
    assert torch.equal(preprocess(image, box), expected)
    assert not torch.equal(preprocess(image), expected)


@pytest.mark.parametrize("box", [None, (20, 30, 100, 110), (-30, -20, 90, 100)])
@pytest.mark.parametrize("size", [60, 120, 480])
def test_landmarks_move_with_the_picture(size: int, box: Box | None) -> None:
    points = np.array([[30, 40], [80, 50], [57, 83]], np.float32)
    preprocess = Preprocess(size=size, color="gray")
    for point in points:
        image = np.zeros((120, 150), np.uint8)
        x, y = point.astype(int)
        image[y - 4 : y + 5, x - 4 : x + 5] = 200
        moved = preprocess.points(point[None], image, box)
        mass = preprocess.face(image, box).astype(float)
        grid = np.mgrid[: mass.shape[0], : mass.shape[1]][::-1]
        centre = (grid * mass).sum((1, 2)) / mass.sum()
        assert moved.dtype == np.float32
        np.testing.assert_allclose(moved[0], centre, atol=0.1)


@pytest.mark.parametrize(
    "box",
    [
        (30, 30, 30, 50),
        (30, 30, 50, 20),
        (100, 0, 120, 20),
        (0, 80, 20, 99),
        (-20, 0, 0, 20),
        (0, -20, 20, 0),
        (100, 10, 102, 70),
        (float("nan"), 0, 20, 20),
        (-10, 10, 0.2, 15),
    ],
)
def test_box_without_area_inside_the_picture(box: Box) -> None:
    corners = ", ".join(f"{value:g}" for value in box)
    message = f"face box {corners} has no area inside an image of 100 x 80 pixels"
    with pytest.raises(AffectZooError, match=re.escape(message)):
        Preprocess(size=8).face(coordinates(80, 100), box)


@pytest.mark.parametrize("box", [(0.1, 0.1, 0.9, 0.9), (40.2, 40.2, 40.9, 40.3)])
def test_box_smaller_than_a_pixel(box: Box) -> None:
    with pytest.raises(AffectZooError, match=r"face box .*smaller than a pixel"):
        Preprocess(size=8).face(coordinates(80, 100), box)


@pytest.mark.parametrize("box", [(0, 0, 500, 20), (-1e6, -1e6, 1e6, 1e6)])
def test_a_box_many_times_larger_than_its_image_is_refused_before_it_takes_memory(box: Box) -> None:
    with pytest.raises(AffectZooError, match="many times larger than its image of 100 x 80 pixels"):
        Preprocess(size=8).face(coordinates(80, 100), box)


def test_small_square_of_a_box_across_the_edge_may_miss_the_picture() -> None:
    with pytest.raises(AffectZooError, match="has no area inside"):
        Preprocess(size=8, margin=-0.5).face(coordinates(80, 100), (-30, 10, 2, 42))


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(size=48),
        Preprocess(size=48, color="gray", mean=(0.4,), std=(0.2,)),
        Preprocess(size=90, resize=100, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), margin=-0.1),
    ],
)
def test_dict_round_trip(preprocess: Preprocess) -> None:
    assert Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict()))) == preprocess


def test_one_value_serves_all_channels() -> None:
    preprocess = Preprocess(size=48, mean=(0.4,), std=(0.2,))
    assert (preprocess.mean, preprocess.std) == ((0.4,) * 3, (0.2,) * 3)
    assert (preprocess.channels, preprocess.face_size) == (3, 48)


@pytest.mark.parametrize("values", [{"size": 48, "width": 48}, {"color": "rgb"}, {}])
def test_from_dict_with_other_fields(values: dict[str, Any]) -> None:
    got = ", ".join(sorted(values)) or "none"
    with pytest.raises(AffectZooError, match=rf"fields are color, .*size is required.* got {got}$"):
        Preprocess.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "1 <= size"),
        ({"size": 1025}, "resize <= 1024"),
        ({"size": 48, "resize": 47}, "size 48 and resize 47"),
        ({"size": 48, "color": "bgr"}, "color is 'bgr'"),
        ({"size": 48, "mean": (0.5, 0.5)}, r"mean has 2 values, but rgb has 3"),
        ({"size": 48, "color": "gray", "std": (0.5,) * 3}, r"std has 3 values, but gray has 1"),
        ({"size": 48, "mean": ()}, "mean has 0 values"),
        ({"size": 48, "std": (0.0,)}, "std must be above 0"),
        ({"size": 48, "std": (0.5, -0.5, 0.5)}, "std must be above 0"),
        ({"size": 48, "margin": -0.51}, "margin between"),
        ({"size": 48, "margin": 4.01}, "margin between"),
    ],
)
def test_refused_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(AffectZooError, match=message):
        Preprocess(**values)


def test_read_image_gives_rgb_with_orientation_applied(tmp_path: Path) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = 255
    write_picture(tmp_path / "plain.png", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "plain.png"), pixels)

    exif = PIL.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    PIL.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif, quality=95, subsampling=0)
    turned = read_image(tmp_path / "turned.jpg").astype(int)
    np.testing.assert_allclose(turned, np.rot90(pixels, -1).astype(int), atol=12)


def test_read_image_spreads_grey(tmp_path: Path) -> None:
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    write_picture(tmp_path / "gray.png", gray)
    np.testing.assert_array_equal(read_image(tmp_path / "gray.png"), np.stack([gray] * 3, -1))


PNG = cv2.imencode(".png", coordinates(90, 90))[1].tobytes()
JPG = cv2.imencode(".jpg", coordinates(90, 90))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"no image", "no image"),
        (PNG[: len(PNG) * 3 // 4], "a damaged PNG"),
        (JPG[: len(JPG) * 3 // 4], "a damaged JPEG"),
    ],
    ids=["missing", "empty", "text", "half a png", "half a jpg"],
)
def test_unreadable_picture_is_named(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "face.jpg"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=f"^{re.escape(str(path))}: {message}"):
        read_image(path)


def test_pillow_images_are_taken() -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    for preprocess in (Preprocess(size=16), Preprocess(size=16, color="gray")):
        expected = preprocess(pixels, (3, 4, 20, 25))
        assert torch.equal(preprocess(Image.fromarray(pixels), (3, 4, 20, 25)), expected)


ALEXNET = Preprocess(size=224, resize=256, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), margin=0.1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"size": 112}, {"size": 112, "resize": 128}),
        ({"size": 112, "resize": 112}, {"size": 112, "resize": 112}),
        ({"margin": 0.0}, {"margin": 0.0}),
        ({"mean": (0.5,)}, {"mean": (0.5, 0.5, 0.5)}),
        ({"color": "gray"}, {"color": "gray", "mean": (0.5,), "std": (0.25,)}),
        ({"color": "gray", "std": (1.0,)}, {"color": "gray", "mean": (0.5,), "std": (1.0,)}),
        ({}, {}),
    ],
)
def test_a_given_field_changes_that_field_alone(change: dict[str, Any], expected: dict[str, Any]) -> None:
    own = Preprocess(size=48, color="gray")
    found = Preprocess.merged(own, ALEXNET, PreprocessChange(**change))
    assert found == replace(ALEXNET, **expected)


def test_whole_values_go_before_weights_and_these_before_the_architecture() -> None:
    own, given = Preprocess(size=48, color="gray"), Preprocess(size=40)
    assert Preprocess.merged(own) == own
    assert Preprocess.merged(own, ALEXNET) == ALEXNET
    assert Preprocess.merged(own, ALEXNET, given) == given
    assert Preprocess.merged(own, None, PreprocessChange(size=96)) == replace(own, size=96)
