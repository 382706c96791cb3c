"""How long all metrics with their intervals take, and a leaderboard's page of many records; its size.

    python benchmarks/results.py --record FILE

Random scores of faces, with AffectNet's class frequencies, are scored as ``affectzoo benchmark`` does.
The record is then taken many times under other names.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
from metrics import random_faces
from processes import run

from affectzoo.evaluation.scoring import Part, score
from affectzoo.labels import SPACES


def random_part(faces: int) -> Part:
    """Predictions of faces beside the ground truth."""
    names = SPACES["affectnet8"].names
    scores, labels = random_faces(faces, len(names))
    truth = [names[label] for label in labels.tolist()]
    table = pd.DataFrame({"id": [f"face{row}" for row in range(faces)], "true_label": truth})
    table[["subject", "clip", "fold"]] = None
    table["label"] = [names[place] for place in scores.argmax(dim=1).tolist()]
    return Part(table.join(pd.DataFrame(scores.numpy(), columns=[f"p_{name}" for name in names])), names)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--record", type=Path, required=True, help="a record, such as one of a card")
    parser.add_argument("--faces", type=int, default=40_000, help="(default: %(default)s)")
    parser.add_argument("--records", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    args = parser.parse_args()
    part, seconds = random_part(args.faces), []
    for _ in range(args.rounds):
        started = time.process_time()
        figures = score([part])
        seconds.append(time.process_time() - started)
    resamples = figures["interval"]["resamples"]
    print(f"{len(figures['metrics'])} metrics of {args.faces:,} faces, {resamples:,} resamples: ", end="")
    print(f"{median(seconds):.2f} CPU s")
    record = json.loads(args.record.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "records").mkdir()
        for number in range(args.records):
            other = record | {"key": f"{record['key']}-{number}", "system": f"{record['system']}-{number}"}
            path = Path(folder) / "records" / f"{other['key']}.json"
            path.write_text(json.dumps(other), encoding="utf-8")
        taken = [run(["-m", "affectzoo", "leaderboard", folder]).processor for _ in range(args.rounds)]
        start = median(
            run(["-m", "affectzoo", "leaderboard", "--help"]).processor for _ in range(args.rounds)
        )
        page = (Path(folder) / "leaderboard.html").read_bytes()
    packed = len(gzip.compress(page)) / 1e6
    print(
        f"page of {args.records} records: {median(taken):.2f} CPU s, {start:.2f} of them to start; ", end=""
    )
    print(f"{len(page) / 1e6:.2f} MB, {packed:.2f} MB packed as servers send it")


if __name__ == "__main__":
    main()
