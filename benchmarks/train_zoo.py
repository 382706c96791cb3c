"""Train the zoo on FER+ on one GPU: every compact member with three seeds, or the papers' full networks.

    python benchmarks/train_zoo.py --root DIR/ferplus --faceres faceres.safetensors --dlib dlib.safetensors
    python benchmarks/train_zoo.py --root DIR/ferplus --group papers

The starts are written by ``affectzoo convert``, see the heads of the recipes. Trainings run beside each
other, so that reading processes and the GPU are both busy, each with its log in ``runs/NAME.log``; a training
that ended is not trained again. In the end all are measured on the validation part. Further settings go to
every ``affectzoo fit``, such as ``--trainer.benchmark=true``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RUNS = Path("runs")
RECIPES = Path(__file__).parents[1] / "recipes"
NEW_START = ("--model.optimizer.lr=2.8e-3", "--model.optimizer.trunk_lr=7.0e-4")
"""Rates of a network that does not know expressions yet."""
LARGE_BATCH = ("--data.batch_size=128", "--model.optimizer.lr=2.8e-3")


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        recipe: Below ``recipes``.
        epochs: How many, before ``--scale``.
        workers: Processes that read its faces.
        start: Which of the starts it begins with.
        seed: Of all that is drawn.
        options: Further settings.
        group: ``compact`` or ``papers``.
    """

    recipe: str
    epochs: int
    workers: int = 3
    start: str | None = None
    seed: int = 0
    options: tuple[str, ...] = ()
    group: str = "compact"

    @property
    def name(self) -> str:
        """Folder below ``runs``."""
        return f"{self.recipe.replace('/', '-')}-{self.seed}"

    @property
    def done(self) -> bool:
        """Whether it has left weights."""
        return (RUNS / self.name / "model.safetensors").is_file()

    def command(self, args: argparse.Namespace) -> list[str]:
        """What trains it."""
        start = (
            [f"--model.weights={getattr(args, self.start)}", "--model.new_head=true"] if self.start else []
        )
        return [
            *(sys.executable, "-m", "affectzoo", "fit", f"--config={RECIPES / self.recipe}.yaml"),
            *(f"--data.root={args.root}", f"--run_dir={RUNS / self.name}", "--overwrite=true"),
            f"--seed_everything={self.seed}",
            f"--data.num_workers={self.workers}",
            f"--trainer.max_epochs={max(1, round(self.epochs * args.scale))}",
            *start,
            *self.options,
            *args.options,
        ]


COMPACT = (
    ("mobilenet_v1/ferplus_distilled", 14, 3, "faceres", NEW_START),
    ("resnet18/ferplus_distilled", 24, 3, None, ()),
    ("face_resnet/ferplus", 12, 3, "dlib", LARGE_BATCH),
    ("dlp_cnn_s/ferplus_distilled", 30, 2, None, ()),
    ("vggface_s/ferplus", 24, 2, None, LARGE_BATCH),
    ("alexnet_s/ferplus_distilled", 24, 2, None, LARGE_BATCH),
)
PAPERS = {"resnet152": 8, "vggface": 10, "resnet50": 12, "alexnet": 20, "dlp_cnn": 20}
TRAININGS = (
    *(
        Training(recipe, epochs, workers, start, seed, options)
        for seed in range(3)
        for recipe, epochs, workers, start, options in COMPACT
    ),
    *(Training(f"{arch}/ferplus", epochs, 4, group="papers") for arch, epochs in PAPERS.items()),
)


def train(trainings: Sequence[Training], args: argparse.Namespace) -> list[str]:
    """Run them beside each other, ``args.lanes`` at a time.

    Returns:
        The names of those that failed.
    """
    waiting = [training for training in trainings if not training.done]
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
    failed = []
    while waiting or running:
        while waiting and len(running) < args.lanes:
            training = waiting.pop(0)
            log = (RUNS / f"{training.name}.log").open("wb")
            process = subprocess.Popen(training.command(args), stdout=log, stderr=subprocess.STDOUT)
            running[training.name] = process, time.monotonic()
        time.sleep(0.5)
        for name, (process, start) in list(running.items()):
            if process.poll() is not None:
                del running[name]
                told = "FAILED, see its log," if process.returncode else "ended"
                print(f"{name}: {told} after {time.monotonic() - start:.0f} s", flush=True)
                failed += [name] if process.returncode else []
    return failed


def main() -> int:
    """Train what was asked for and measure it; the status is 1 where something failed."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--root", required=True, help="FER+: the folder with FER2013Train and FER2013Valid")
    parser.add_argument("--faceres", default="faceres.safetensors", help="start of MobileNet-v1")
    parser.add_argument("--dlib", default="dlib.safetensors", help="start of the face ResNet")
    parser.add_argument("--group", choices=("compact", "papers"), default="compact", help="what to train")
    parser.add_argument("--only", nargs="*", help="names of trainings")
    parser.add_argument("--lanes", type=int, default=6, help="trainings beside each other")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all epochs")
    args, args.options = parser.parse_known_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    RUNS.mkdir(exist_ok=True)
    wanted = [t for t in TRAININGS if t.group == args.group and (not args.only or t.name in args.only)]
    failed = train(wanted, args)
    trained = [str(RUNS / training.name) for training in wanted if training.done]
    if trained:
        measure = ["benchmark", "--data", f"ferplus={args.root}", "--protocol", "ferplus_valid"]
        measure += ["--out", str(RUNS / "board"), "--models", *trained]
        subprocess.run([sys.executable, "-m", "affectzoo", *measure], check=False)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
