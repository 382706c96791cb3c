"""Show how far a run is: images and frames done, how fast, how long the rest takes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from affectzoo.console import stderr, visible
from affectzoo.inference.frames import Frame
from affectzoo.inference.results import FaceResult

if TYPE_CHECKING:
    from rich.progress import Task
    from rich.text import Text

Results = Iterable[tuple[Frame, list[FaceResult]]]


def with_progress(
    results: Results, inputs: int, description: str
) -> Iterator[tuple[Frame, list[FaceResult]]]:
    """Pass results on, with bars on the terminal where there is one: of the inputs, and of a video's frames.

    Args:
        results: Of ``Predictor.run``.
        inputs: How many images and videos there are.
        description: What runs.
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
        whole = bars.add_task(visible(description), total=inputs)
        video = bars.add_task("", visible=False)
        for frame, faces in results:
            if frame.number == 0:
                bars.reset(video, description=visible(frame.source.name[-40:]), total=frame.of, visible=True)
            bars.advance(whole, int(frame.ends))
            bars.advance(video, int(frame.number is not None))
            bars.update(video, visible=frame.number is not None)
            yield frame, faces
