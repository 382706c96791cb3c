"""Ablations: what one choice of a training changes, on a small part of FER+, with several seeds.

    python benchmarks/ablations.py run --root FERPLUS --out runs/ablations --start faceres.safetensors
    python benchmarks/ablations.py table --out runs/ablations

``run`` trains each setting with each seed on a random tenth of FER+'s training part (or what the setting
says), measures all on its validation part and goes on where it was stopped. ``table`` writes what the
records say to ``docs/ablations.csv`` and its tables into ``docs/ablations.md``. ``--start`` is HSE FaceRes as
``affectzoo convert`` writes it (``recipes/mobilenet_v1/ferplus.yaml``); without it that start is left out.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pandas as pd

from affectzoo.evaluation.record import read_records

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "ablations.md", DOCS / "ablations.csv"
METRICS = {"accuracy": "accuracy", "mean_diagonal": "balanced accuracy", "f1": "F1"}
TRAIN, VALID = "FER2013Train", "FER2013Valid"
COMPACT = (
    "--trainer.callbacks=[]",  # no average of weights: trainings are short
    "--model.preprocess.size=40",
    "--trainer.max_epochs=20",
)


@dataclass(frozen=True)
class Setting:
    """One row of a table.

    Attributes:
        table: What is compared.
        name: Of the row.
        recipe: What is trained.
        options: Further settings of ``affectzoo fit``.
        share: Of the training part's faces.
        start: Whether it begins with the weights of ``--start``.
    """

    table: str
    name: str
    recipe: str
    options: tuple[str, ...] = ()
    share: float = 0.1
    start: bool = False

    @property
    def system(self) -> str:
        """Name in a benchmark."""
        return f"{self.table}-{re.sub('[^a-z0-9]+', '_', self.name.lower())}"

    def run(self, out: Path, seed: int) -> Path:
        """Folder of one of its trainings."""
        return out / f"{self.system}-{seed}"


def _compact(table: str, name: str, *options: str) -> Setting:
    return Setting(table, name, "alexnet_s/ferplus", (*COMPACT, *options))


def _mobilenet(name: str, start: bool) -> Setting:
    epochs = 40  # of few steps each: validation at the end alone
    options = ("--trainer.callbacks=[]", f"--trainer.max_epochs={epochs}")
    options += (f"--trainer.check_val_every_n_epoch={epochs}",)
    return Setting("start", name, "mobilenet_v1/ferplus", options, 0.01, start)


MAJORITY = "--data.rule=majority"
SETTINGS = (
    _compact("imbalance", "as it is", MAJORITY),
    _compact("imbalance", "down-sampled to 200", MAJORITY, "--data.imbalance=down", "--data.cap=200"),
    _compact("imbalance", "up-sampled", MAJORITY, "--data.imbalance=up"),
    _compact("imbalance", "equal chances", MAJORITY, "--data.imbalance=weighted"),
    _compact("imbalance", "loss by inverse frequency", MAJORITY, "--model.loss.class_weights=inverse"),
    _compact(
        *("imbalance", "loss by effective number", MAJORITY, "--model.loss.class_weights=effective"),
        "--model.loss.beta=0.999",
    ),
    *(
        _compact("rule", rule, f"--data.rule={rule}")
        for rule in ("majority", "probability", "crossentropy", "multi_target")
    ),
    _mobilenet("random", start=False),
    _mobilenet("HSE FaceRes", start=True),
)


def part(root: Path, out: Path, share: float) -> Path:
    """A copy of FER+ with a random share of the training part: the same faces each time, as links."""
    target = out / f"ferplus_{share:g}"
    if not (target / VALID).exists():
        (target / TRAIN).mkdir(parents=True, exist_ok=True)
        lines = (root / TRAIN / "label.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        chosen = sorted(np.random.default_rng(0).permutation(len(lines))[: round(share * len(lines))])
        (target / TRAIN / "label.csv").write_text("".join(lines[one] for one in chosen), encoding="utf-8")
        for one in chosen:
            link = target / TRAIN / lines[one].split(",")[0]
            if not link.exists():  # it may be there of a run that was stopped
                link.symlink_to((root / TRAIN / link.name).resolve())
        (target / VALID).symlink_to((root / VALID).resolve())
    return target


def affectzoo(*arguments: str, log: Path) -> bool:
    """Run a command; what it says goes to a file."""
    with log.open("wb") as file:
        command = [sys.executable, "-m", "affectzoo", *arguments]
        return subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode == 0


def run(args: argparse.Namespace) -> int:
    """Train and measure; the status is 1 where something failed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [
        (setting, seed)
        for seed in range(args.seeds)
        for setting in SETTINGS
        if (not args.only or setting.table in args.only) and (args.start or not setting.start)
    ]
    failed = 0
    for setting, seed in wanted:
        folder = setting.run(args.out, seed)
        if (folder / "model.safetensors").is_file():
            continue
        start = [f"--model.weights={args.start}", "--model.new_head=true"] if setting.start else []
        trained = affectzoo(
            *("fit", "--recipe", setting.recipe, f"--data.root={part(args.root, args.out, setting.share)}"),
            *(f"--run_dir={folder}", "--overwrite=true", f"--seed_everything={seed}", *setting.options),
            *(*start, *args.options),
            log=folder.with_suffix(".log"),
        )
        print(f"{folder.name}: {'trained' if trained else 'FAILED, see its log'}", flush=True)
        failed += not trained
    models = [
        f"{setting.system}={setting.run(args.out, seed)}"
        for setting, seed in wanted
        if (setting.run(args.out, seed) / "model.safetensors").is_file()
    ]
    measured = affectzoo(
        *("benchmark", "--data", f"ferplus={args.root}", "--protocol", "ferplus_valid"),
        *("--out", str(args.out / "board"), "--models", *models),
        log=args.out / "board.log",
    )
    return int(bool(failed) or not measured)


def figures(board: Path) -> pd.DataFrame:
    """What the records of a benchmark say, one row per training."""
    settings = {setting.system: (place, setting) for place, setting in enumerate(SETTINGS)}
    rows = []
    for record in read_records(board):
        place, setting = settings[record["system"]]
        values = {metric: round(record["metrics"][metric]["value"], 4) for metric in METRICS}
        weights = record["model"]["tensors_sha256"][:16]
        rows.append(
            (place, weights, {"table": setting.table, "setting": setting.name, "weights": weights, **values})
        )
    return pd.DataFrame([row for _, _, row in sorted(rows, key=lambda row: row[:2])])


def tables(rows: pd.DataFrame) -> dict[str, str]:
    """Each table in Markdown: mean and standard deviation over the trainings of a setting."""
    made = {}
    for table, of in rows.groupby("table", sort=False):
        lines = [
            f"| {table} | trainings | {' | '.join(METRICS.values())} |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        for name, runs in of.groupby("setting", sort=False):
            cells = [f"{fmean(runs[metric]):.3f} ± {stdev(runs[metric]):.3f}" for metric in METRICS]
            lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} |")
        made[str(table)] = "\n".join(lines)
    return made


def filled(page: str, rows: pd.DataFrame) -> str:
    """The page with its tables anew, between ``<!-- ablation: NAME -->`` and ``<!-- /ablation -->``."""
    for name, table in tables(rows).items():
        start = f"<!-- ablation: {name} -->"
        page = re.sub(
            f"{start}.*?<!-- /ablation -->", f"{start}\n{table}\n<!-- /ablation -->", page, flags=re.DOTALL
        )
    return page


def main() -> int:
    """Do the step that was asked for."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("step", choices=("run", "table"))
    parser.add_argument("--root", type=Path, help="FER+: the folder with FER2013Train and FER2013Valid")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"), help="(default: %(default)s)")
    parser.add_argument("--start", type=Path, help="weights of HSE FaceRes")
    parser.add_argument("--seeds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--only", nargs="*", help="tables, such as imbalance")
    args, args.options = parser.parse_known_args()
    if args.step == "run":
        if args.root is None:
            parser.error("run needs --root")
        return run(args)
    rows = figures(args.out / "board")
    rows.to_csv(FIGURES, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
