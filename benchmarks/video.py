"""How many frames of a video with two people does ``affectzoo predict`` take a second, from file to file?

Composes 30 seconds of 1280 x 720 pixels, 25 frames a second, of rendered clips (see ``tracking.py``), then
predicts each frame: finding, following, cutting, the model, rows; with and without a rendered video. Each
command is a process of its own; its start, measured on the first frame alone, is taken off.

    python benchmarks/video.py --root CLIPS --detectors haar yunet --detector-file yunet.onnx
"""

import argparse
import statistics
import tempfile
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
from processes import run
from rich.console import Console
from rich.table import Table
from tracking import HEIGHT, RATE, SECONDS, WIDTH, Scene


def film(path: Path, clips: list[Path], frames: int) -> None:
    """Write so many frames of two people who walk to and fro."""
    scene, way = Scene("apart", clips, 0), RATE * SECONDS - 1
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        stream.time_base = Fraction(1, RATE)
        for frame in range(frames):
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(
                        scene.image(way - abs(way - frame % (2 * way))), format="rgb24"
                    )
                )
            )
        container.mux(stream.encode())


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="clips in AFEW-VA's layout")
    parser.add_argument("--detectors", nargs="+", default=["haar"], choices=("haar", "yunet"))
    parser.add_argument("--detector-file", type=Path)
    parser.add_argument("--backends", nargs="+", default=["torch", "onnx"], choices=("torch", "onnx"))
    parser.add_argument("--model", default="dlp_cnn_s.ferplus")
    parser.add_argument("--search-sizes", type=int, nargs="+", default=[1280, 640])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    clips = sorted(path for path in args.root.iterdir() if any(path.glob("*.jpg")))
    frames = args.seconds * RATE
    table = Table("detector", "searched at", "backend", "drawn", "frames/s", "from, to", "CPU ms a frame")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, first = folder / "film.mp4", folder / "first.mp4"
        film(whole, clips, frames)
        film(first, clips, 1)
        kinds = product(args.detectors, args.search_sizes, args.backends, (False, True))
        for detector, size, backend, drawn in kinds:
            given = ["--detector", detector, "--backend", backend, "--model", args.model]
            given += ["--search-size", str(size), "--out", str(folder / "rows.csv")]
            given += ["--render", str(folder / "drawn")] if drawn else []
            if detector == "yunet" and args.detector_file is not None:
                given += ["--detector-file", str(args.detector_file)]
            command = ["-m", "affectzoo", "predict"]
            run([*command, str(first), *given], args.threads)  # a model is exported once
            rates, spent = [], []
            for _ in range(args.rounds):
                begun, whole_way = (
                    run([*command, str(path), *given], args.threads) for path in (first, whole)
                )
                rates.append((frames - 1) / (whole_way.seconds - begun.seconds))
                spent.append(1000 * (whole_way.processor - begun.processor) / (frames - 1))
            span = f"{min(rates):.1f}, {max(rates):.1f}"
            row = [
                detector,
                str(size),
                backend,
                "yes" if drawn else "no",
                f"{statistics.median(rates):.1f}",
                span,
            ]
            table.add_row(*row, f"{statistics.median(spent):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
