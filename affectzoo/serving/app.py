"""The app in the browser: a thin page of Gradio over ``serving.analysis``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from affectzoo.console import markdown
from affectzoo.files import videos
from affectzoo.files.images import SUFFIXES
from affectzoo.serving.analysis import FACE_COLUMNS, TRACK_COLUMNS, Analysis, Analyst, Live

ABOUT = """\
# affectzoo

Everything stays on this machine. An expression is how a face looks to others, not what the person feels.
"""

CSS = """\
.gradio-container { width: 100% !important; max-width: 1200px !important; margin: 0 auto !important; }
.told { font-size: 1.05em; overflow-wrap: anywhere; }
.rows { overflow-x: auto; }
.rows table { width: 100%; }
.rows th, .rows td { word-break: normal !important; overflow-wrap: normal !important; }
.rows th, .rows td { padding: 4px 8px !important; }
"""

NARROW = 310
"""The least width of a column, pixels: on a telephone, one stands below the other."""

STREAM_EVERY, STREAM_SECONDS = 0.3, 300
"""Seconds between a camera's frames, and how long it runs until it is to be started again."""


def build_app(analyst: Analyst, models: Sequence[str], chosen: str) -> gr.Blocks:
    """Make the page.

    Args:
        analyst: What does the work.
        models: Names to choose from.
        chosen: The one that is chosen first.

    Returns:
        To be launched with ``LAUNCH``.
    """
    with gr.Blocks(analytics_enabled=False, title="affectzoo", delete_cache=(600, 3600)) as app:
        gr.Markdown(ABOUT)
        model = gr.Dropdown(list(models), value=chosen, label="Model", elem_id="model")
        with gr.Tab("Photo", id="photo"):
            _photo_tab(analyst, model)
        with gr.Tab("Video", id="video"):
            _video_tab(analyst, model)
        with gr.Tab("Webcam", id="webcam"):
            _webcam_tab(analyst, model)
    return app


LAUNCH: dict[str, Any] = {
    "share": False,
    "quiet": True,
    "enable_monitoring": False,
    "footer_links": [],
    "ssr_mode": False,
    "pwa": False,
    "mcp_server": False,
    "run_history": False,
    "strict_cors": True,
    "_frontend": False,
    "css": CSS,
    "theme": gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
}
"""How Gradio is to serve it: nothing is shared, counted or fetched from elsewhere.

Nor does it try the page itself beforehand, which fails behind a proxy and on a busy machine.
"""


def _photo_tab(analyst: Analyst, model: gr.Dropdown) -> None:
    limits = analyst.limits
    with gr.Row():
        with gr.Column(scale=1, min_width=NARROW):
            file = gr.File(
                label="Photo", file_types=["image", *sorted(SUFFIXES)], height=150, elem_id="photo_file"
            )
            gr.Markdown(f"Up to {limits.megabytes:g} MiB and {limits.megapixels:g} million pixels.")
            told = gr.Markdown(elem_classes="told", elem_id="photo_told")
            table = gr.DownloadButton("Download CSV", visible=False, elem_id="photo_csv")
        with gr.Column(scale=2, min_width=NARROW):
            picture = gr.Image(
                label="Faces", format="png", buttons=["download", "fullscreen"], elem_id="photo_picture"
            )
            faces = gr.Markdown(elem_classes="rows", elem_id="photo_rows")
            plane = _plane("photo_plane")

    def analyze(path: str | None, name: str) -> dict[Any, Any]:
        found = Analysis("") if path is None else analyst.photo(Path(path), name)
        return {
            told: markdown(found.told),
            picture: gr.update(value=found.picture),
            plane: gr.update(value=found.plane, visible=found.plane is not None),
            faces: _table(FACE_COLUMNS, found.rows),
            table: _download(found.table),
        }

    events = [file.change, model.change]
    gr.on(events, analyze, [file, model], [told, picture, plane, faces, table], **_PRIVATE)


def _video_tab(analyst: Analyst, model: gr.Dropdown) -> None:
    limits = analyst.limits
    with gr.Row():
        with gr.Column(scale=1, min_width=NARROW):
            file = gr.File(
                label="Video",
                file_types=["video", *sorted(videos.SUFFIXES)],
                height=150,
                elem_id="video_file",
            )
            gr.Markdown(
                f"Up to {limits.megabytes:g} MiB. Its first {limits.seconds:g} s are taken, {limits.fps:g} "
                "frames a second."
            )
            smooth = gr.Checkbox(label="Smooth over time", elem_id="video_smooth")
            start = gr.Button("Analyze", variant="primary", elem_id="video_start")
            told = gr.Markdown(elem_classes="told", elem_id="video_told")
            table = gr.DownloadButton("Download CSV", visible=False, elem_id="video_csv")
        with gr.Column(scale=2, min_width=NARROW):
            film = gr.Video(label="Faces", elem_id="video_film", buttons=["download"])
            tracks = gr.Markdown(elem_classes="rows", elem_id="video_rows")
            chart = gr.Image(
                label="Over time",
                show_label=False,
                visible=False,
                format="png",
                buttons=["download", "fullscreen"],
                elem_id="video_chart",
            )

    def analyze(
        path: str | None, name: str, smoothed: bool, progress: gr.Progress = gr.Progress()
    ) -> dict[Any, Any]:
        def tell(done: float, total: float | None) -> None:
            progress((done, total) if total else done, unit="frames")

        found = Analysis("choose a video first")
        if path is not None:
            found = analyst.video(Path(path), name, smoothed, tell)
        return {
            told: markdown(found.told),
            film: gr.update(value=found.film),
            tracks: _table(TRACK_COLUMNS, found.rows),
            chart: gr.update(value=found.chart, visible=found.chart is not None),
            table: _download(found.table),
        }

    start.click(analyze, [file, model, smooth], [told, film, tracks, chart, table], **_PRIVATE)


def _webcam_tab(analyst: Analyst, model: gr.Dropdown) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=NARROW):
            camera = gr.Image(
                sources=["webcam"], streaming=True, type="numpy", label="Camera", elem_id="camera"
            )
        with gr.Column(scale=2, min_width=NARROW):
            picture = gr.Image(label="Faces", format="jpeg", buttons=["fullscreen"], elem_id="camera_picture")
            told = gr.Markdown(elem_classes="told", elem_id="camera_told")
            plane = _plane("camera_plane")
    running = gr.State(None)

    def analyze(image: Any, name: str, state: tuple[str, Live] | None) -> tuple[Any, ...]:
        if image is None:
            return None, gr.update(visible=False), "", None
        if state is None or state[0] != name:
            state = name, Live(analyst.predictor(name))
        picture, plane, told = state[1](image)
        return picture, gr.update(value=plane, visible=plane is not None), markdown(told), state

    camera.stream(
        analyze,
        [camera, model, running],
        [picture, plane, told, running],
        stream_every=STREAM_EVERY,
        time_limit=STREAM_SECONDS,
        **{**_PRIVATE, "show_progress": "hidden"},
    )


_PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 1, "show_progress": "minimal"}


def _plane(name: str) -> gr.Image:
    return gr.Image(
        label="Valence and arousal",
        show_label=False,
        visible=False,
        format="png",
        height=320,
        buttons=[],
        elem_id=name,
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows as a table of Markdown, without columns that are empty; nothing where there are none."""
    kept = [place for place in range(len(names)) if any(row[place] for row in rows)]
    cells = [[markdown(row[place]) for place in kept] for row in rows]
    lines = [[names[place] for place in kept], ["---"] * len(kept), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _download(path: Path | None) -> Any:
    return gr.update(value=None if path is None else str(path), visible=path is not None)
