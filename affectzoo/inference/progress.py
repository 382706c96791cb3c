"""Show how far a run is: images and frames done, how fast, how long the rest takes."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from affectzoo.console import stderr, visible
from affectzoo.inference.frames import Frame
from affectzoo.inference.results import FaceResult

if TYPE_CHECKING:
    from rich.progress import Task
    from rich.text import Text

Results = Iterable[tuple[Frame, list[FaceResult]]]


def with_progress(
    results: Results, inputs: int, description: str, live: bool = False
) -> Generator[tuple[Frame, list[FaceResult]], None, None]:
    """Pass results on, with bars on the terminal where there is one: of the inputs, and of a video's frames.

    The bars are gone once the results are at their end, or this is closed.

    Args:
        results: Of ``Predictor.run`` or ``stream``.
        inputs: How many images and videos there are.
        description: What runs.
        live: Whether a camera runs, whose end is not known: then what it sees is shown.
    """
    if not sys.stderr.isatty():
        yield from results
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f}/s")

    words = TextColumn("{task.description}", markup=False)
    columns = (words, BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=stderr(), transient=True) as bars:
        whole = bars.add_task(visible(description), total=inputs, visible=not live)
        video = bars.add_task("", visible=False)
        for frame, faces in results:
            if frame.number == 0:
                name = description if live else frame.source.name[-40:]
                bars.reset(video, description=visible(name), total=frame.of, visible=True)
            if live:
                seen = "; ".join(", ".join(face.told()) for face in faces)
                bars.update(video, description=visible(f"{description}: {seen}"[:100]))
            bars.advance(whole, int(frame.ends))
            bars.advance(video, int(frame.number is not None))
            bars.update(video, visible=frame.number is not None)
            yield frame, faces
