"""Does memory stay flat over a long video? Peak memory of ``affectzoo predict`` by the number of frames.

Films a face that moves about, once per length, and predicts each in a process of its own: CSV rows, with and
without a rendered video beside them.

    python benchmarks/memory.py --frames 200 1000
"""

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from processes import run
from rich.console import Console
from rich.table import Table

import affectzoo
from affectzoo.files.images import read_image

PHOTO = Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg"
EDGE = 320
RATE = 25


def film(path: Path, frames: int) -> None:
    """Write a video of ``frames`` frames: the bundled photograph, which goes around in a circle."""
    photo = cv2.resize(read_image(PHOTO), (EDGE + 40, EDGE + 40), interpolation=cv2.INTER_AREA)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width = stream.height = EDGE
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, RATE)
        for number in range(frames):
            x, y = (round(20 + 20 * turn(number / 15)) for turn in (np.cos, np.sin))
            picture = np.ascontiguousarray(photo[y : y + EDGE, x : x + EDGE])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--model", default="dlp_cnn_s.ferplus")
    args = parser.parse_args()
    table = Table("frames", "rows: peak MiB", "CPU s", "rows and video: peak MiB", "CPU s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for frames in args.frames:
            film(path := folder / f"{frames}.mp4", frames)
            rows = ["predict", str(path), "--detector", "haar", "--model", args.model]
            cells = []
            for number, more in enumerate(([], ["--render", str(folder / f"render_{frames}")])):
                out = ["--out", str(folder / f"{frames}_{number}.csv")]
                spent = run(["-m", "affectzoo", *rows, *out, *more])
                cells += [f"{spent.memory:.0f}", f"{spent.processor:.0f}"]
            table.add_row(f"{frames:,}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
