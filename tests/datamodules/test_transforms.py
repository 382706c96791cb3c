from __future__ import annotations

from collections import Counter
from itertools import pairwise

import albumentations as A
import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import TableIndex
from fakes import Picture, picture

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datamodules.imbalance import Imbalance
from affectzoo.datamodules.transforms import Augment, Face, FaceTransform, Flip, augmentation
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError
from affectzoo.faces.landmarks import MIRROR
from affectzoo.faces.preprocess import Preprocess

Points = npt.NDArray[np.float32]

# One mirror-symmetric face per set, drawn from the sets' published numbering; x = 0 is the midline.
LIPS = [(-4, 0), (-2.5, -1), (-1, -1.5), (0, -1.3), (1, -1.5), (2.5, -1), (4, 0)]
CHIN_SIDE = [(2.5, 1), (1, 1.5), (0, 1.6), (-1, 1.5), (-2.5, 1)]
FACE68 = np.array(
    [(x, 6 - x * x / 8) for x in range(-8, 9)]
    + [(x, -7) for x in range(-7, -2)]
    + [(x, -7) for x in range(3, 8)]
    + [(0, y) for y in range(-4, 0)]
    + [(x, 0.5) for x in range(-2, 3)]
    + [(-6, -5), (-5, -5.5), (-4, -5.5), (-3, -5), (-4, -4.5), (-5, -4.5)]
    + [(3, -5), (4, -5.5), (5, -5.5), (6, -5), (5, -4.5), (4, -4.5)]
    + [(x, y + 3) for x, y in LIPS + CHIN_SIDE]
    + [(-3, 3), (-1, 2.6), (0, 2.6), (1, 2.6), (3, 3), (1, 3.4), (0, 3.4), (-1, 3.4)],
    np.float32,
)
FACE5 = np.array([(-4, -5), (4, -5), (0, 0), (-3, 4), (3, 4)], np.float32)
FACES = {68: FACE68, 5: FACE5}


def drawn(shape: Points, side: int = 400) -> tuple[Picture, Points]:
    """An image with one dot per landmark, whose gray value is 40 + 3 x the landmark's number."""
    points = np.round(shape * side / 26 + side / 2).astype(np.float32)
    image = np.zeros((side, side), np.uint8)
    for number, (x, y) in enumerate(points.astype(int)):
        image[y - 3 : y + 4, x - 3 : x + 4] = 40 + 3 * number
    return image, points


def dots_at(image: npt.NDArray[np.generic], points: Points) -> list[float]:
    """The numbers of the dots on which landmarks lie."""
    columns, rows = np.rint(points).astype(int).T
    return [round((float(value) - 40) / 3, 2) for value in image[rows, columns]]


@pytest.mark.parametrize("count", FACES)
def test_mirrored_face_keeps_its_names(count: int) -> None:
    face, order = FACES[count], list(MIRROR[count])
    np.testing.assert_array_equal((face * (-1, 1))[order], face)


def mirror(count: int) -> A.Compose:
    flip = Flip(p=1)
    flip.points = count
    return A.Compose([flip], keypoint_params=A.KeypointParams("xy", remove_invisible=False))


@pytest.mark.parametrize("count", FACES)
def test_flip_swaps_left_and_right_and_twice_is_nothing(count: int) -> None:
    image, points = drawn(FACES[count])
    flip = mirror(count)
    once = flip(image=image, keypoints=points)
    np.testing.assert_array_equal(once["image"], image[:, ::-1])
    assert dots_at(once["image"], once["keypoints"]) == list(MIRROR[count])
    twice = flip(**once)
    np.testing.assert_array_equal(twice["image"], image)
    np.testing.assert_allclose(twice["keypoints"], points)


def test_flip_takes_several_faces() -> None:
    image = np.zeros((10, 10), np.uint8)
    faces = np.arange(20, dtype=np.float32).reshape(10, 2) % 10
    flipped = mirror(5)(image=image, keypoints=faces)["keypoints"]
    rows = [1, 0, 2, 4, 3, 6, 5, 7, 9, 8]
    np.testing.assert_allclose(flipped, np.stack([9 - faces[rows, 0], faces[rows, 1]], -1))
    five = mirror(68)(image=image, keypoints=np.tile(FACE68, (5, 1)))["keypoints"]
    np.testing.assert_allclose(five, np.tile((FACE68 * (-1, 1) + (9, 0))[list(MIRROR[68])], (5, 1)))


def test_frames_are_mirrored_by_their_own_number_of_landmarks() -> None:
    """68 frames of 5 points are as many as 5 of 68; 5 frames of 37 as many as 37 of 5."""
    pixels = np.zeros((16, 16), np.uint8)
    points = np.array([(2, 5), (13, 5), (8, 8), (4, 12), (12, 12)], np.float32)
    transform = FaceTransform(Preprocess(size=16, color="gray"), "five_crops")
    mirrored = (points * (-1, 1) + (15, 0))[list(MIRROR[5])]
    last = [transform.clip([Face(pixels, points)] * 68, seed)[1][67].numpy() for seed in range(8)]  # type: ignore[index]
    found = [np.allclose(moved, mirrored) for moved in last]
    assert any(found) and not all(found)
    assert all(np.allclose(moved, points) for moved, was in zip(last, found, strict=True) if not was)
    with pytest.raises(AffectZooError, match=r"37 landmarks cannot be mirrored \(known: 5, 68\)"):
        transform.clip([Face(pixels, np.zeros((37, 2), np.float32))] * 5)


@pytest.mark.parametrize("count", FACES)
@pytest.mark.parametrize("augment", ["modern", "robust"])
def test_landmarks_stay_on_their_dots_under_the_moves(augment: Augment, count: int) -> None:
    image, points = drawn(FACES[count])
    preprocess = Preprocess(size=380, resize=400, color="gray")
    moves = [
        step
        for step in augmentation(augment, preprocess)
        if isinstance(step, (A.HorizontalFlip, A.Affine, A.RandomCrop))
    ]
    assert len(moves) == 3
    for step in moves:
        if isinstance(step, Flip):
            step.points = count
    keep_all = A.KeypointParams("xy", remove_invisible=False)
    move = A.Compose(moves, keypoint_params=keep_all, seed=0)
    orders = []
    for _ in range(20):
        moved = move(image=image, keypoints=points)
        assert not np.array_equal(moved["keypoints"], points)
        orders.append(dots_at(moved["image"], moved["keypoints"]))
    same, mirrored = list(range(count)), list(MIRROR[count])
    assert {tuple(order) for order in orders} == {tuple(same), tuple(mirrored)}


@pytest.mark.parametrize("augment", ["none", "five_crops", "random_crop"])
def test_landmarks_come_out_in_pixels_of_the_input(augment: Augment) -> None:
    image, points = drawn(FACE68)
    preprocess = Preprocess(size=353, resize=400, color="gray", mean=(0.0,), std=(1 / 255,))
    transform = FaceTransform(preprocess, augment)
    for seed in range(5):
        tensor, moved = transform(image, None, points, seed=seed)
        assert moved is not None
        assert dots_at(tensor[0].numpy(), moved.numpy()) in (list(range(68)), list(MIRROR[68]))


def test_landmarks_outside_the_input_are_kept() -> None:
    transform = FaceTransform(Preprocess(size=10, resize=30, color="gray"), "five_crops")
    corners = np.array([(0, 0), (29, 0), (14.5, 15), (0, 29), (29, 29)], np.float32)
    _, moved = transform(np.zeros((30, 30), np.uint8), None, corners, seed=0)
    assert moved is not None
    np.testing.assert_allclose(moved - moved[0], corners)


def views(augment: Augment, face: Picture, size: int, draws: int) -> dict[bytes, int]:
    """How often each view came, keyed by its pixels."""
    gray = Preprocess(size, face.shape[0], "gray", mean=(0.0,), std=(1 / 255,))
    transform = FaceTransform(gray, augment)
    seen: dict[bytes, int] = {}
    for seed in range(draws):
        key = transform(face, seed=seed)[0].round().byte().numpy().tobytes()
        seen[key] = seen.get(key, 0) + 1
    return seen


def test_five_crops_are_ten_views_equally_often() -> None:
    face = picture(np.random.default_rng(0), 9, 9)
    crops = [face[y : y + 5, x : x + 5] for x, y in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))]
    expected = {view.tobytes() for crop in crops for view in (crop, crop[:, ::-1])}
    seen = views("five_crops", face, 5, 1000)
    assert set(seen) == expected
    assert min(seen.values()) > 60
    assert max(seen.values()) < 140


def test_random_crop_reaches_every_place_and_never_flips() -> None:
    face = picture(np.random.default_rng(0), 6, 6)
    expected = {face[y : y + 4, x : x + 4].tobytes() for x in range(3) for y in range(3)}
    seen = views("random_crop", face, 4, 900)
    assert set(seen) == expected
    assert min(seen.values()) > 50


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_none_is_preprocess_alone(color: str) -> None:
    preprocess = Preprocess.from_dict({"size": 24, "resize": 30, "color": color})
    image = picture(np.random.default_rng(0), 40, 50, 3)
    tensor, landmarks = FaceTransform(preprocess, "none")(image)
    assert torch.equal(tensor, preprocess(image))
    assert landmarks is None


@pytest.mark.parametrize("augment", ["modern", "robust"])
@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_varies_and_leaves_the_face_as_it_was(color: str, augment: Augment) -> None:
    preprocess = Preprocess.from_dict({"size": 24, "resize": 30, "color": color})
    face = picture(np.random.default_rng(0), *((30, 30, 3) if color == "rgb" else (30, 30)))
    before = face.copy()
    transform = FaceTransform(preprocess, augment)
    results = [transform(face, seed=seed)[0] for seed in range(12)]
    assert {tuple(result.shape) for result in results} == {(preprocess.channels, 24, 24)}
    assert not any(torch.equal(a, b) for a, b in pairwise(results))
    np.testing.assert_array_equal(face, before)


def test_robust_brings_landmarks_back_where_they_were() -> None:
    points = np.array([(10.0, 20.0), (40.0, 5.0)], np.float32)
    preprocess = Preprocess(size=60, mean=(0.0,), std=(1 / 255,))
    known, new = (augmentation(augment, preprocess) for augment in ("modern", "robust"))
    degrade = new[len(known) - 1 : -1]
    assert len(degrade) == 2
    for step in degrade:
        step.p = 1.0
    keep_all = A.KeypointParams("xy", remove_invisible=False)
    compose = A.Compose(degrade, keypoint_params=keep_all, seed=0)
    face = picture(np.random.default_rng(0), 60, 60, 3)
    for _ in range(8):
        moved = compose(images=face[None], keypoints=points)
        assert moved["images"].shape == (1, 60, 60, 3) and not np.array_equal(moved["images"][0], face)
        np.testing.assert_allclose(moved["keypoints"], points, atol=0.5)


@pytest.mark.parametrize("augment", ["five_crops", "random_crop", "modern", "robust"])
@pytest.mark.parametrize("clip", [False, True])
def test_draws_depend_on_the_seed_alone(augment: Augment, clip: bool) -> None:
    face = Face(picture(np.random.default_rng(0), 30, 30))
    transform = FaceTransform(Preprocess(24, 30, "gray"), augment)

    def draw(seed: int | None) -> torch.Tensor:
        return transform.clip([face], seed)[0] if clip else transform.still(face, seed)[0]

    first = draw(2**62 + 3)
    seen = {draw(seed).numpy().tobytes() for seed in range(8)}
    assert len(seen) > 4
    assert torch.equal(draw(2**62 + 3), first)
    torch.manual_seed(3)
    unseeded = [draw(None) for _ in range(8)]
    assert len({tensor.numpy().tobytes() for tensor in unseeded}) > 4
    torch.manual_seed(3)
    assert all(torch.equal(draw(None), tensor) for tensor in unseeded)


def test_steps_draw_independently() -> None:
    """Albumentations' own seeding lets all steps draw alike: only mirrored faces had a covered patch."""
    preprocess = Preprocess(24, color="gray", mean=(0.0,), std=(1 / 255,))
    transform = FaceTransform(preprocess, "modern")
    assert transform._augment is not None
    seen = Counter()
    for seed in range(400):
        drawn = transform._seeded(seed)
        mirrored, _, _, covered, _ = [step.py_random for step in drawn.transforms]
        assert mirrored is covered
        mirror = drawn.transforms[0].py_random.random() < 0.5
        seen[mirror, drawn.transforms[3].py_random.random() < 0.25] += 1
    assert min(seen.values()) > 20 and len(seen) == 4


def test_box_and_landmarks_are_those_of_the_image() -> None:
    image = picture(np.random.default_rng(0), 60, 80, 3)
    preprocess, box = Preprocess(24, 30), (10.0, 5.0, 50.0, 45.0)
    points = np.array([(10, 5), (49, 44), (30, 20), (15, 30), (40, 8)], np.float32)
    tensor, moved = FaceTransform(preprocess)(image, box, points)
    assert torch.equal(tensor, preprocess(image, box)) and moved is not None
    np.testing.assert_allclose(moved.numpy(), preprocess.points(points, image, box) - 3)
    with pytest.raises(AffectZooError, match="face box"):
        FaceTransform(preprocess)(image, (90.0, 0.0, 99.0, 9.0))


class OneFace(FaceDataModule):
    """Serves one face over and over, so that only the augmentation can tell samples apart."""

    faces: FaceIndex

    def read_index(self) -> FaceIndex:
        return self.faces


def crops(data: OneFace, epochs: int) -> list[bytes]:
    loader = data.train_dataloader()
    return [batch["image"].numpy().tobytes() for _ in range(epochs) for batch in loader]


@pytest.mark.parametrize(("imbalance", "rare"), [("as_is", 4), ("up", 2)])
@pytest.mark.parametrize("workers", [0, 2])
def test_draws_differ_between_epochs_and_workers(
    table_index: TableIndex, workers: int, imbalance: Imbalance, rare: int
) -> None:
    def data() -> OneFace:
        torch.manual_seed(0)
        same = picture(np.random.default_rng(0), 48, 48)
        index = table_index(["anger"] * 4 + ["fear"] * rare, same)
        module = OneFace(
            str(index.root),
            preprocess=Preprocess(24, 48, "gray"),
            augment="random_crop",
            imbalance=imbalance,
            batch_size=4,
            num_workers=workers,
        )
        module.faces = index
        valid = table_index(["anger"], same, "valid")
        module.faces.table.loc[len(module.faces)] = valid.table.loc[0]
        return module

    seen = crops(data(), epochs=2)
    assert len(set(seen)) == len(seen) == 4
    assert crops(data(), epochs=2) == seen
