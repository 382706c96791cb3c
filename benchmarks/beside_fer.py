"""How fast is the zoo beside the package ``fer``, and how accurate on FER+'s faces?

``fer`` (MIT; a mini-Xception, Arriaga et al. 2017, quantized, in its wheel) needs an environment of its own:

    python -m venv fer-env && fer-env/bin/pip install fer "setuptools<80" "opencv-python-headless<5"
    python benchmarks/beside_fer.py --python fer-env/bin/python --root FERPLUS --out theirs.csv

Ready crops one at a time, and a photograph of 512 x 512 pixels from the file's content to a prediction, each
by the package's own call, with one thread; the systems take turns in every round. ``--int8 FILE`` adds an
exported file (docs/export.md). ``--out`` has fer's answers for FER+'s validation part, for

    affectzoo benchmark --data ferplus=FERPLUS --protocol ferplus_valid --predictions fer=theirs.csv --out D
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
NAMES = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
"""Classes of fer that others call otherwise; it has no contempt."""

INSIDE = [10, 10, 28, 28]
"""What fer widens to a whole crop of 48 pixels, by ten pixels on each side."""


def median(function: Callable[[int], object], count: int) -> float:
    """Milliseconds of a call, the median of so many."""
    function(0)
    times = []
    for number in range(count):
        start = time.perf_counter()
        function(number)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def theirs(folder: Path) -> dict[str, float]:
    """In fer's environment: time it, and write what it says of every face once."""
    import cv2
    import numpy as np
    from fer.fer import FER

    cv2.setNumThreads(1)
    crops = np.load(folder / "crops.npy")
    detector = FER(mtcnn=False)
    photo = (folder / "photo.jpg").read_bytes()

    def crop(number: int) -> object:
        image = cv2.cvtColor(crops[number % len(crops)], cv2.COLOR_GRAY2BGR)
        return detector.detect_emotions(image, face_rectangles=[INSIDE])

    def whole(_: int) -> object:
        return detector.detect_emotions(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR))

    found = {"crop": median(crop, 200), "photo": median(whole, 20)}
    if not (folder / "said.json").exists():
        said = [crop(number)[0]["emotions"] for number in range(len(crops))]  # type: ignore[index]
        (folder / "said.json").write_text(json.dumps(said))
    return found


def ours(model: str, backend: str, folder: Path) -> dict[str, float]:
    """Time a model of the zoo."""
    import cv2
    import numpy as np

    from affectzoo import Predictor

    cv2.setNumThreads(1)
    crops = np.load(folder / "crops.npy")
    photo = (folder / "photo.jpg").read_bytes()
    ready, finding = (Predictor(model, name, backend=backend) for name in ("none", "haar"))  # type: ignore[arg-type]

    def crop(number: int) -> object:
        return ready(np.repeat(crops[number % len(crops)][:, :, None], 3, axis=2))

    return {"crop": median(crop, 200), "photo": median(lambda _: finding(photo), 20)}


def worker(python: str, *arguments: str) -> dict[str, float]:
    """Run one turn in a process of its own."""
    done = subprocess.run(
        [python, __file__, "--turn", *arguments],
        env=os.environ | THREADS,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Take turns and print the table."""
    if sys.argv[1:2] == ["--turn"]:
        folder, *system = sys.argv[2:]
        print(json.dumps(ours(*system, Path(folder)) if system else theirs(Path(folder))))
        return
    import cv2
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    import affectzoo
    from affectzoo.datasets.ids import ids
    from affectzoo.evaluation import source
    from affectzoo.files.images import read_image

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", required=True, help="of the environment with fer")
    parser.add_argument("--root", type=Path, required=True, help="a copy of FER+")
    parser.add_argument("--int8", nargs="*", default=[], metavar="FILE", help="exported files")
    parser.add_argument("--out", type=Path, help="fer's answers, .csv")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    index = source.read("ferplus", args.root).part("valid")
    systems = [
        (name, backend)
        for name in ("dlp_cnn_s.ferplus", "mobilenet_v1.ferplus")
        for backend in ("torch", "onnx")
    ]
    systems += [(name, "onnx") for name in args.int8]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crops = [cv2.imread(str(index.root / path), cv2.IMREAD_GRAYSCALE) for path in index.table["path"]]
        np.save(folder / "crops.npy", np.stack(crops))
        shown = read_image(Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg")
        shown = cv2.resize(shown, (512, 512), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / "photo.jpg"), cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
        rounds = [
            {("fer", ""): worker(args.python, name)}
            | {one: worker(sys.executable, name, *one) for one in systems}
            for _ in range(args.rounds)
        ]
        if args.out is not None:
            said = json.loads((folder / "said.json").read_text())
            names = list(said[0])
            lines = [",".join(["id", *(f"p_{NAMES.get(name, name)}" for name in names), "p_contempt"])]
            for face, row in zip(ids(index), said, strict=True):
                total = sum(row.values())  # rounded to two digits, its shares do not add up to 1
                lines.append(",".join([face, *(str(row[name] / total) for name in names), "0"]))
            args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = Table("system", "backend", "ready crop, ms", "beside fer", "photograph, ms", "beside fer")
    for one in rounds[0]:
        cells = []
        for what in ("crop", "photo"):
            cells.append(f"{statistics.median(turn[one][what] for turn in rounds):.2f}")
            cells.append(
                f"{statistics.median(turn[one][what] / turn['fer', ''][what] for turn in rounds):.2f}"
            )
        table.add_row(Path(one[0]).name, one[1], *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
