from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import matplotlib.figure
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from affectzoo import plots
from affectzoo.errors import DataError, OutputError
from affectzoo.labels import SPACES
from affectzoo.metrics.cells import cell_rmse, plane_histogram
from affectzoo.plots.style import save

pytestmark = pytest.mark.usefixtures("figures_drawn")

LONG = "dlp_cnn_s.ferplus#trunk.conv+svm"
SYSTEMS = [LONG, *(f"system_{i}.ferplus+svm" for i in range(11))]
NAN = float("nan")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, in their order."""
    figures: list[Figure] = []
    plain = matplotlib.figure.Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        plain(figure, *args, **options)
        figures.append(figure)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", savefig)
    return figures


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "figure.png"


def texts(figure: Figure) -> list[str]:
    found = figure.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_text() and text.get_visible()]


def check(path: Path, figure: Figure) -> None:
    """An image for a screen, nothing in it cut off, no letter too small."""
    picture = cv2.imread(str(path))
    height, width = picture.shape[:2]
    assert 150 < height < 2600 and 300 < width < 1500
    assert picture.std() > 5 and picture[2, 2].tolist() == [255, 255, 255]
    page = figure.bbox.padded(1)
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text() and text.get_visible():
            assert text.get_fontsize() >= 8, text
    inside = figure.get_tightbbox()
    pixels = np.array([inside.min, inside.max]) * figure.dpi
    assert (pixels >= page.min).all() and (pixels <= page.max).all()


def circumplex(faces: int, spread: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, spread, (faces, 2))


def test_plane_has_a_panel_per_system_and_one_scale(drawn: list[Figure], path: Path) -> None:
    values = {"labels": circumplex(900, 0.2)} | {name: circumplex(900, 0.5) for name in SYSTEMS[:3]}
    histograms = {name: plane_histogram(va, bins=20) for name, va in values.items()}
    plots.plane_figure(histograms, path, "A title that is much too long for one line of a figure, " * 3)
    check(path, drawn[0])
    panels = drawn[0].axes[:-1]  # the last one is the color bar
    assert len(panels) == 4
    rows = [axes.get_subplotspec().rowspan.start for axes in panels]
    assert rows == [0, 0, 0, 1]
    outside = int((np.abs(values[LONG]) > 1).any(axis=1).sum())
    assert outside > 10
    assert [axes.get_title().split("\n") for axes in panels[:2]] == [
        ["labels", "900 faces, 0 outside"],
        [LONG, f"900 faces, {outside} outside"],
    ]
    most = max(int(histogram.faces.max()) for histogram in histograms.values())
    assert {axes.collections[0].get_clim() for axes in panels} == {(1, most)}
    assert {(axes.get_xlabel(), axes.get_ylabel()) for axes in panels} == {("valence", "arousal")}


def test_plane_puts_valence_across_and_leaves_empty_cells_blank(drawn: list[Figure], path: Path) -> None:
    plots.plane_figure({"one": plane_histogram(np.array([[0.9, -0.7]] * 3), bins=2)}, path)
    cells = drawn[0].axes[0].collections[0].get_array()
    assert cells.tolist() == [[None, 3], [None, None]]  # first row: low arousal; second column: high valence


def test_cell_errors_share_their_scale_and_mask_empty_cells(drawn: list[Figure], path: Path) -> None:
    edges = np.array([-1.0, 0.0, 1.0])
    faces = np.array([[9, 0], [2, 5]])
    good, bad = np.array([[0.1, 7.0], [0.8, 0.2]]), np.array([[0.3, NAN], [0.9, 0.4]])
    plots.cell_error_figure({LONG: (edges, faces, good), "bad": (edges, faces, bad)}, path, "errors", "RMSE")
    check(path, drawn[0])
    first, second, bar = drawn[0].axes
    assert first.collections[0].get_array().tolist() == [[0.1, None], [0.8, 0.2]]
    # The cells of 2 faces have the largest errors; they do not set the scale, which goes on above.
    assert first.collections[0].get_clim() == second.collections[0].get_clim() == (0, 0.4)
    assert first.collections[0].colorbar is None and second.collections[0].colorbar.extend == "max"
    hatched = [patch for patch in first.patches if patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(-1, 0)]
    assert bar.get_ylabel() == "RMSE"
    assert {f"{LONG}\n16 faces", "fewer than 5 faces"} <= set(texts(drawn[0]))


def test_cell_errors_of_the_metrics_are_drawn(drawn: list[Figure], path: Path) -> None:
    label = np.clip(circumplex(400, 0.4), -1, 1)
    found = cell_rmse(label + 0.1, label)
    plots.cell_error_figure({name: (found.edges, found.faces, found.distance) for name in SYSTEMS[:3]}, path)
    check(path, drawn[0])
    perfect = cell_rmse(label, label)
    plots.cell_error_figure({"perfect": (perfect.edges, perfect.faces, perfect.distance)}, path)
    assert drawn[1].axes[0].collections[0].get_clim() == (0, 1)


def test_cost_has_the_pareto_front(drawn: list[Figure], path: Path) -> None:
    points = {
        "fast": (1.0, 0.5, 10_000),
        "slower, better, not the best": (2.0, 0.6, None),
        "middle": (2.0, 0.7, 1_400_000),
        "as good, slower": (4.0, 0.7, 1_400_000),
        LONG: (10.0, 0.9, 140_000_000),
    }
    plots.cost_figure(points, path, "accuracy", "cost")
    check(path, drawn[0])
    axes = drawn[0].axes[0]
    assert axes.lines[0].get_label() == "Pareto front"
    corners = [(1, 0.5), (2, 0.5), (2, 0.7), (10, 0.7), (10, 0.9), (16, 0.9)]
    assert axes.lines[0].get_xydata().tolist() == [list(corner) for corner in corners]
    assert axes.get_xscale() == "log"
    areas = axes.collections[0].get_sizes()
    assert areas.tolist() == [16, 16, 16, 16, 450]  # 1.4 of 140 million would be 4.5
    assert axes.collections[0].get_facecolors()[:, 3].tolist() == [1, 0, 1, 1, 1]
    assert {*points, "accuracy", "latency, ms (logarithmic)", "size not known"} <= set(texts(drawn[0]))
    assert {"100 M parameters", "10 M parameters"} <= set(texts(drawn[0]))


def test_cost_areas_go_with_parameters(drawn: list[Figure], path: Path) -> None:
    plots.cost_figure({"a": (1, 0.5, 2_000_000), "b": (2, 0.6, 8_000_000)}, path, "CCC")
    assert drawn[0].axes[0].collections[0].get_sizes().tolist() == [112.5, 450]


def test_names_of_costs_touch_neither_each_other_nor_points(drawn: list[Figure], path: Path) -> None:
    spread = np.random.default_rng(0).uniform(0, 1, (12, 2))  # among them some in one heap
    spread[:6] = 0.5 + 0.005 * spread[:6]
    points = {n: (float(10 ** (2 * x)), float(y), 10**6) for n, (x, y) in zip(SYSTEMS, spread, strict=True)}
    for _ in range(2):
        plots.cost_figure(points, path, "accuracy")
    check(path, drawn[0])
    axes = drawn[0].axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 12
    assert not any(one.padded(-1).overlaps(other.padded(-1)) for one, other in combinations(boxes, 2))
    centres = axes.transData.transform(np.array([point[:2] for point in points.values()]))
    assert not any(box.contains(*centre) for box in boxes for centre in centres)
    frame = axes.get_window_extent()
    assert all((box.min >= frame.min).all() and (box.max <= frame.max).all() for box in boxes)
    again = [text.get_position() for text in drawn[1].axes[0].texts]
    assert [text.get_position() for text in axes.texts] == again


def test_cost_of_one_system_of_unknown_size(drawn: list[Figure], path: Path) -> None:
    plots.cost_figure({LONG: (2.9, 0.83, None)}, path, "accuracy", "one")
    check(path, drawn[0])
    assert not [text for text in texts(drawn[0]) if "parameters" in text]


def test_features_by_class_and_intensity(drawn: list[Figure], path: Path) -> None:
    names = SPACES["rafdb11"].names
    of_face = [names[i] for i in range(11) for _ in range(20 * (i + 1))]
    points = np.random.default_rng(0).normal(0, 1, (len(of_face), 2))
    intensity = np.linspace(0, 1, len(of_face))
    intensity[:5] = NAN
    plots.features_figure(points, of_face, intensity, path, "features", "distance from neutral")
    check(path, drawn[0])
    left, right, bar = drawn[0].axes
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == [f"{name} ({20 * (i + 1)})" for i, name in enumerate(names)][::-1]
    looks = {(to_hex(c.get_facecolor()[0]), len(c.get_paths()[0].vertices)) for c in left.collections}
    assert len(looks) == 11  # by color and marker
    assert [len(c.get_offsets()) for c in left.collections] == [20 * (i + 1) for i in range(11)][::-1]
    unknown, known = right.collections
    assert len(unknown.get_offsets()) == 5 and len(known.get_offsets()) == len(of_face) - 5
    assert bar.get_ylabel() == "distance from neutral"
    plots.features_figure(points[:4], list("aabb"), None, path)
    assert len(drawn[1].axes) == 1
    plots.features_figure(points[:4], list("aabb"), np.full(4, NAN), path)
    assert len(drawn[2].axes[1].collections[0].get_offsets()) == 4


def test_intervals_in_the_order_given(drawn: list[Figure], path: Path) -> None:
    rows = [
        (LONG, 0.8, 0.75, 0.85, "measured"),
        ("paper", 0.9, None, None, "published"),
        ("none", NAN, None, None, "measured"),
    ]
    plots.interval_figure(rows, path, "accuracy", "intervals")
    check(path, drawn[0])
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [LONG, "paper", "none"]
    assert axes.get_ylim() == (2.5, -0.5)  # the first row is the top one
    assert [text.get_text() for text in axes.texts] == ["0.800 [0.750, 0.850]", "0.900", "-"]
    drawn_lines = [line.get_xydata().tolist() for line in axes.lines if len(line.get_xydata()) == 2]
    assert drawn_lines == [[[0.75, 0], [0.85, 0]]]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["measured", "published"]
    assert axes.lines[0].get_color() != axes.lines[2].get_color()
    plots.interval_figure([(name, 0.5, 0.4, 0.6, "claimed") for name in SYSTEMS], path, "CCC")
    check(path, drawn[1])
    plots.interval_figure([(2 * LONG, 0.5, 0.4, 0.6, "published")], path, "accuracy")
    check(path, drawn[2])
    assert drawn[2].axes[0].bbox.width > 300  # a long name leaves room for the interval


def test_traces_of_several_systems(drawn: list[Figure], path: Path) -> None:
    frames = np.arange(50.0)
    gap = np.where(frames < 10, NAN, 0.5)
    clip = {name: (frames, frames / 50, gap, -frames / 50) for name in ("valence", "arousal")}
    plots.traces_figure({"01": clip, "02": clip}, path, "traces", [LONG, "other"])
    check(path, drawn[0])
    assert len(drawn[0].axes) == 4
    assert [line.get_label() for line in drawn[0].axes[0].lines[1:]] == ["label", LONG, "other"]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["label", LONG, "other"]
    plots.traces_figure({"01": {"valence": (frames, gap, gap)}}, path)
    assert [text.get_text() for text in drawn[1].legends[0].get_texts()] == ["label", "predicted"]
    many = {"valence": (frames, gap, *[gap] * 12)}
    plots.traces_figure({"01": many}, path, "", SYSTEMS)
    check(path, drawn[2])
    looks = {(line.get_color(), line.get_linestyle()) for line in drawn[2].axes[0].lines[2:]}
    assert len(looks) == 12
    with pytest.raises(ValueError, match="zip"):
        plots.traces_figure({"01": clip}, path)


@pytest.mark.parametrize("names", [SPACES["rafdb11"].names, ("neutral", "happiness"), ("0", "1")])
def test_confusions_of_many_and_few_classes(names: tuple[str, ...], drawn: list[Figure], path: Path) -> None:
    confusion = np.full((len(names), len(names)), 10)
    confusion[-1] = 0
    plots.confusion_figure(confusion, names, path, f"{LONG} on ferplus valid: accuracy 0.9087")
    check(path, drawn[0])
    axes = drawn[0].axes[0]
    shares = [f"{100 / len(names):.1f}"] * len(names) * (len(names) - 1)  # none in the last row
    assert [text.get_text() for text in axes.texts] == shares
    assert axes.get_yticklabels()[-1].get_text() == f"{names[-1]} (0)"
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


EDGES, CELLS = np.linspace(-1, 1, 3), np.ones((2, 2))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("plane_figure", ({},), "plane figure: nothing to draw"),
        (
            "plane_figure",
            ({"a": (EDGES, np.ones((3, 3)), 0)},),
            r"plane figure, a: .* \(3, 3\) for 3 edges; expected \(2, 2\)",
        ),
        ("cell_error_figure", ({},), "cell error figure: nothing to draw"),
        ("cell_error_figure", ({"a": (EDGES, CELLS, CELLS[:1])},), r"cell error figure, a: .* \(1, 2\)"),
        ("cell_error_figure", ({"a": (EDGES, CELLS[:, 0], CELLS)},), r"cell error figure, a: .* \(2,\)"),
        ("cell_error_figure", ({"a": (EDGES, 0 * CELLS, CELLS)},), "cell error figure: nothing to draw"),
        ("cost_figure", ({}, "accuracy"), "cost figure: nothing to draw"),
        ("cost_figure", ({"a": (0.0, 0.5, None)}, "accuracy"), "'a' has latency 0.0 ms and accuracy 0.5"),
        ("cost_figure", ({"a": (NAN, 0.5, None)}, "accuracy"), "'a' has latency nan ms"),
        ("cost_figure", ({"a": (1.0, NAN, None)}, "CCC"), "'a' has latency 1.0 ms and CCC nan"),
        ("features_figure", (CELLS[:0], [], None), "features figure: nothing to draw"),
        ("features_figure", (CELLS, ["a"], None), r"points of shape \(2, 2\) for 1 classes"),
        ("features_figure", (CELLS, ["a", "b"], np.ones(3)), r"intensity of shape \(3,\) for 2 points"),
        ("interval_figure", ([], "accuracy"), "interval figure: nothing to draw"),
        (
            "interval_figure",
            ([("a", 1, None, None, "said")], "accuracy"),
            "kind 'said' of 'a' is none of measured",
        ),
        ("interval_figure", ([("a", 1, 0.5, None, "claimed")], "accuracy"), "interval of 'a' is 0.5 to None"),
    ],
)
def test_faults_are_said(name: str, arguments: tuple[Any, ...], message: str, path: Path) -> None:
    before = {"cost_figure": 1, "interval_figure": 1, "features_figure": 3}.get(name, 1)
    with pytest.raises(DataError, match=message):
        getattr(plots, name)(*arguments[:before], path, *arguments[before:])
    assert not path.exists()


def test_names_are_no_formulas(path: Path) -> None:
    names = ["$\\frac{$", "a $b$ c", "\\x$"]
    plots.confusion_figure(np.eye(3), names, path, "$\\nothing$ and [/b]")
    plots.interval_figure([(name, 0.5, 0.4, 0.6, "measured") for name in names], path, "$\\bad$", "$\\bad$")
    assert cv2.imread(str(path)).std() > 1


def test_a_figure_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file/plot\.png: cannot be written"):
        save(Figure(), tmp_path / "file" / "plot.png")
    save(Figure(), tmp_path / "plot.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "plot.png"]
