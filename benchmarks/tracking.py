"""How well people keep their numbers in videos composed of rendered faces, whose ways are known.

Persons are clips of a data set in AFEW-VA's layout, on their ways over a picture of 1280 x 720 at 25 frames a
second: two ``apart``, two who ``cross`` (the nearer covers the other), two of whom one is ``hidden`` by a
pillar for some time, and ``five`` who go about. Faces are found by the detector, or, with ``truth``, are the
true boxes with a jitter of 3 %, where one in 20 is missed and those that are mostly covered are not there.

Told per scene: the share of a person's faces that have the person's most frequent number, how many times a
person's number changes, and how many numbers there are for how many persons.

    python benchmarks/tracking.py --root DIR --detector yunet --detector-file FILE.onnx
"""

import argparse
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from affectzoo.faces.detect import Detection, make_detector
from affectzoo.faces.tracking import Tracker
from affectzoo.files.images import read_image

WIDTH, HEIGHT, RATE, SECONDS = 1280, 720, 25, 12
SCENES = ("apart", "cross", "hidden", "five")


class Scene:
    """Persons on their ways; the later one is the nearer one."""

    def __init__(self, name: str, clips: list[Path], seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.name = name
        count = 5 if name == "five" else 2
        chosen = self.random.choice(len(clips), count, replace=False)
        self.faces = [[read_image(path) for path in sorted(clips[clip].glob("*.jpg"))] for clip in chosen]
        self.size = (
            self.random.uniform(130, 190, count) if name == "five" else self.random.uniform(160, 240, count)
        )
        self.phase = self.random.uniform(0, 2 * np.pi, (count, 2))
        self.speed = self.random.uniform(0.15, 0.5, (count, 2))
        y = 360 + self.random.uniform(-60, 60, 2)
        self.height = {"apart": (200, 520), "cross": y, "hidden": (250, 470)}.get(name, (0, 0))

    def place(self, person: int, time: float) -> tuple[float, float]:
        """Where the middle of a person's face is."""
        if self.name == "five":
            x, y = np.sin(self.phase[person] + self.speed[person] * 2 * np.pi * time / 3)
            return WIDTH / 2 + 0.42 * WIDTH * x, HEIGHT / 2 + 0.32 * HEIGHT * y
        way = time / SECONDS if person == 0 else 1 - time / SECONDS
        return 130 + way * (WIDTH - 260), self.height[person] + 12 * np.sin(3 * time + self.phase[person, 0])

    def box(self, person: int, time: float) -> np.ndarray:
        """x0, y0, x1, y1 of a person's picture."""
        x, y = self.place(person, time)
        half = self.size[person] / 2
        return np.array([x - half, y - half, x + half, y + half])

    def image(self, frame: int) -> np.ndarray:
        """The picture, RGB."""
        canvas = np.full((HEIGHT, WIDTH, 3), (96, 104, 116), np.uint8)
        canvas[:, ::80] = (120, 128, 140)
        for person, faces in enumerate(self.faces):
            turn = frame % (2 * len(faces) - 2)
            face = faces[min(turn, 2 * len(faces) - 2 - turn)]
            x0, y0, x1, y1 = np.rint(self.box(person, frame / RATE)).astype(int)
            face = cv2.resize(face, (x1 - x0, y1 - y0))
            inside = face[max(0, -y0) : HEIGHT - y0, max(0, -x0) : WIDTH - x0]
            canvas[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = inside
        if self.name == "hidden":
            canvas[:, 560:720] = (60, 50, 40)
        return canvas

    def visible(self, person: int, time: float) -> float:
        """Share of a person's picture that nobody and nothing covers."""
        cover = np.zeros((24, 24), bool)
        x0, y0, x1, y1 = self.box(person, time)
        xs, ys = np.linspace(x0, x1, 24), np.linspace(y0, y1, 24)
        cover |= (xs[None] < 0) | (xs[None] > WIDTH) | (ys[:, None] < 0) | (ys[:, None] > HEIGHT)
        if self.name == "hidden":
            cover |= (xs[None] > 560) & (xs[None] < 720)
        for other in range(person + 1, len(self.faces)):
            a0, b0, a1, b1 = self.box(other, time)
            cover |= (xs[None] > a0) & (xs[None] < a1) & (ys[:, None] > b0) & (ys[:, None] < b1)
        return 1 - float(cover.mean())

    def truth(self, time: float) -> tuple[list[Detection], list[int | None]]:
        """The faces as a detector that errs a little finds them, and whose they are."""
        found, persons = [], []
        for person in range(len(self.faces)):
            if self.visible(person, time) > 0.5 and self.random.uniform() > 0.05:
                size = self.size[person]
                x0, y0, x1, y1 = self.box(person, time) + self.random.normal(0, 0.03 * size, 4)
                found.append(Detection((x0, y0, x1, y1), 0.9))
                persons.append(person)
        return found, list(persons)

    def who(self, face: Detection, time: float) -> int | None:
        """Whose face was found: of those whose picture holds its middle, the nearest one."""
        x0, y0, x1, y1 = face.box or (0, 0, 0, 0)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        for person in reversed(range(len(self.faces))):
            a0, b0, a1, b1 = self.box(person, time)
            if a0 < x < a1 and b0 < y < b1:
                return person
        return None


def measure(scene: Scene, detector: object, every: int) -> tuple[float, int, int, int]:
    """Share of faces with the right number, changes, numbers, persons."""
    tracker = Tracker()
    seen: dict[int, list[int]] = {}
    numbers: set[int] = set()
    for frame in range(0, RATE * SECONDS, every):
        time = frame / RATE
        if detector is None:
            faces, persons = scene.truth(time)
        else:
            faces = detector(scene.image(frame))  # type: ignore[operator]
            persons = [scene.who(face, time) for face in faces]
        for person, number in zip(persons, tracker.update(faces, time), strict=True):
            numbers.add(number)
            if person is not None:
                seen.setdefault(person, []).append(number)
    right = sum(Counter(row).most_common(1)[0][1] for row in seen.values())
    changes = sum(int(a != b) for row in seen.values() for a, b in pairwise(row))
    return right / sum(map(len, seen.values())), changes, len(numbers), len(seen)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, required=True, help="clips in AFEW-VA's layout")
    parser.add_argument("--detector", default="truth", choices=("truth", "yunet", "haar"))
    parser.add_argument("--detector-file", type=Path)
    parser.add_argument("--scenes", type=int, default=10, help="of each kind")
    parser.add_argument("--every", type=int, default=1)
    args = parser.parse_args()
    detector = None if args.detector == "truth" else make_detector(args.detector, args.detector_file)
    clips = sorted(path for path in args.root.iterdir() if path.is_dir())
    table = Table("scene", "right number", "changes a scene", "numbers", "persons")
    for name in SCENES:
        told = [measure(Scene(name, clips, seed), detector, args.every) for seed in range(args.scenes)]
        right, changes, numbers, persons = np.array(told).T
        table.add_row(
            name,
            f"{right.mean():.3f}",
            f"{changes.mean():.1f}",
            f"{numbers.mean():.1f}",
            f"{persons.mean():.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
