"""What RAF-DB holds beside its basic part's labels: the compound part, distributions, automatic landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fakes import picture, write_picture

RAFDB_COMPOUND_CLASSES = (
    "happily_surprised happily_disgusted sadly_fearful sadly_angry sadly_surprised sadly_disgusted"
    " fearfully_angry fearfully_surprised angrily_surprised angrily_disgusted disgustedly_surprised"
).split()
DISTRIBUTIONS = "EmoLabel/distribution_basic.txt"


def write_rafdb_compound(root: Path, per_class: int = 2, *, doubled: bool = False, seed: int = 0) -> Path:
    """RAF-DB's compound part, with both kinds of landmarks; ``doubled`` doubles every unpacked folder.

    Lines of the list end in blanks. Image i's landmark p is at (p, i), its box at (1, 2, 11, 14).
    """
    random = np.random.default_rng(seed)
    base = root / "compound"

    def place(folder: str, name: str) -> Path:
        path = base / folder / (Path(folder).name if doubled else "") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    listed = []
    for part, digits in (("train", 5), ("test", 4)):
        for i in range(11 * per_class):
            stem = f"{part}_{i + 1:0{digits}d}"
            listed.append(f"{stem}.jpg {i % 11 + 1}  ")
            write_picture(place("Image/aligned", f"{stem}_aligned.jpg"), picture(random, 16, 16, 3))
            write_picture(place("Image/original", f"{stem}.jpg"), picture(random, 20, 18, 3))
            place("Annotation/boundingbox", f"{stem}_boundingbox.txt").write_text("1.0 2.0 11.0 14.0 \n")
            manual = [*(f"{point}.0\t{i}.0 " for point in range(5)), "1", "0", "2"]
            place("Annotation/manual", f"{stem}_manu_attri.txt").write_text("\n".join(manual) + "\n")
            auto = [f"{point}.0\t{i}.0" for point in range(37)]
            place("Annotation/auto", f"{stem}_auto_attri.txt").write_text("\n".join(auto) + "\n\n")
    (base / "EmoLabel").mkdir()
    (base / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(listed) + "\n")
    return root


def write_distributions(
    root: Path, place: str = "EmoLabel/distribution_basic.txt", *, name: str = "{}"
) -> Path:
    """Seven shares for each image of the basic part: 0.7 for its label, 0.3 for the class before it."""
    base = root / "basic"
    lines = []
    for line in (base / "EmoLabel" / "list_patition_label.txt").read_text().splitlines():
        listed, code = line.split()
        shares = [0.0] * 7
        shares[int(code) - 1], shares[int(code) - 2] = 0.7, 0.3
        values = " ".join(f"{share:.2f}" for share in shares)
        lines.append(f"{name.format(Path(listed).stem)}.jpg {values} ")
    path = base / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
