"""Train the zoo on FER+ on one GPU: teachers first, then every compact member, taught by them.

    python benchmarks/train_zoo.py --root DIR/ferplus --faceres faceres.safetensors --dlib dlib.safetensors

The starts are written by ``affectzoo convert``, see the heads of the recipes. Trainings run beside each other,
so that reading processes and the GPU are both busy, each with its log in ``runs/NAME.log``; a training that
ended is not trained again. ``--only`` trains some, ``--group papers`` the papers' full networks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RUNS = Path("runs")  # where the recipes look for teachers
TEACHERS = ("mobilenet_v1-1", "mobilenet_v1-2", "face_resnet-1", "face_resnet-2")
LARGE_BATCH = ("--data.batch_size=128", "--model.optimizer.lr=2.8e-3", "--model.optimizer.trunk_lr=7.0e-4")


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        name: Folder below ``runs``.
        recipe: Below ``recipes``.
        epochs: How many, before ``--scale``.
        workers: Processes that read its faces.
        start: Which of the starts it begins with.
        seed: Of all that is drawn.
        options: Further settings.
        group: ``teachers``, ``students`` or ``papers``.
    """

    name: str
    recipe: str
    epochs: int
    workers: int
    start: str | None = None
    seed: int = 0
    options: tuple[str, ...] = ()
    group: str = "students"

    def command(self, args: argparse.Namespace) -> list[str]:
        """What trains it."""
        start = [f"--model.weights={getattr(args, self.start)}", "--model.new_head=true"] if self.start else []
        return [
            *(sys.executable, "-m", "affectzoo", "fit", f"--config={args.recipes / self.recipe}.yaml"),
            *(f"--data.root={args.root}", f"--run_dir={RUNS / self.name}", "--overwrite=true"),
            f"--seed_everything={self.seed}",
            f"--data.num_workers={self.workers}",
            f"--trainer.max_epochs={max(1, round(self.epochs * args.scale))}",
            *start,
            *self.options,
            *args.options,
        ]


def _teacher(arch: str, seed: int, start: str, epochs: int) -> Training:
    name = f"{arch}-{seed}"
    return Training(name, f"{arch}/ferplus", epochs, 3, start, seed, LARGE_BATCH, "teachers")


def _student(name: str, epochs: int, workers: int, start: str | None = None) -> Training:
    return Training(name, f"{name}/ferplus_distilled", epochs, workers, start)


TRAININGS = (
    *(_teacher("mobilenet_v1", seed, "faceres", 12) for seed in (1, 2)),
    *(_teacher("face_resnet", seed, "dlib", 10) for seed in (1, 2)),
    _student("mobilenet_v1", 14, 3, "faceres"),
    _student("face_resnet", 12, 3, "dlib"),
    _student("resnet18", 24, 3),
    _student("dlp_cnn_s", 30, 3),
    _student("vggface_s", 24, 2),
    _student("alexnet_s", 24, 2),
    *(
        Training(f"{arch}-paper", f"{arch}/ferplus", epochs, 4, group="papers")
        for arch, epochs in (("resnet152", 8), ("vggface", 8), ("resnet50", 12), ("alexnet", 20), ("dlp_cnn", 20))
    ),
)


def done(training: Training) -> bool:
    """Whether it has left weights."""
    return (RUNS / training.name / "model.safetensors").is_file()


def train(trainings: Sequence[Training], args: argparse.Namespace) -> list[str]:
    """Run them beside each other, ``args.lanes`` at a time.

    Returns:
        The names of those that failed.
    """
    waiting = [training for training in trainings if not done(training)]
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
                seconds = time.monotonic() - start
                told = "ended" if process.returncode == 0 else f"FAILED, see {RUNS / f'{name}.log'},"
                print(f"{name}: {told} after {seconds:.0f} s", flush=True)
                if process.returncode:
                    failed.append(name)
    return failed


def main() -> int:
    """Train what was asked for; the status is 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="FER+: the folder with FER2013Train and FER2013Valid")
    parser.add_argument("--faceres", default="faceres.safetensors", help="start of MobileNet-v1")
    parser.add_argument("--dlib", default="dlib.safetensors", help="start of the face ResNet")
    parser.add_argument("--recipes", type=Path, default=Path(__file__).parents[1] / "recipes")
    parser.add_argument("--group", choices=("compact", "papers"), default="compact", help="what to train")
    parser.add_argument("--only", nargs="*", help="names of trainings")
    parser.add_argument("--lanes", type=int, default=6, help="trainings beside each other")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all epochs")
    args, args.options = parser.parse_known_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    RUNS.mkdir(exist_ok=True)
    groups = ("teachers", "students") if args.group == "compact" else ("papers",)
    failed: list[str] = []
    for group in groups:
        wanted = [t for t in TRAININGS if t.group == group and (not args.only or t.name in args.only)]
        failed += train(wanted, args)
        if failed:
            break
    names = " ".join(str(RUNS / t.name) for t in TRAININGS if done(t))
    print(json.dumps({"failed": failed}))
    print(f"next: affectzoo benchmark --data ferplus={args.root} --protocol ferplus_valid --models {names}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
