"""A tiny ExpW, laid out as its authors ship it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fakes import picture, write_picture


def write_expw(root: Path, per_class: int = 6, *, seed: int = 0) -> Path:
    """ExpW: images of 60 x 50 pixels with two faces each, of label i and i + 1, without faults."""
    random = np.random.default_rng(seed)
    lines = []
    for i in range(7 * per_class):
        name = f"keyword_person_{i}.jpg"
        write_picture(root / "data" / "image" / "origin" / name, picture(random, 50, 60, 3))
        lines.append(f"{name} 0 5 10 35 45 {60 + i / 7:.4f} {i % 7}")
        lines.append(f"{name} 1 8 30 58 36 {20 + i / 7:.4f} {(i + 1) % 7}")
    listing = root / "data" / "label" / "label.lst"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
