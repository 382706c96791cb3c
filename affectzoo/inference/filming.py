"""Film with a camera until someone presses Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from affectzoo.files.camera import Camera

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image


@contextmanager
def camera_frames(number: int) -> Iterator[Iterator[Image]]:
    """Open a camera; the first Ctrl-C ends its frames in order, a second one interrupts.

    Args:
        number: Which camera, from 0.

    Yields:
        Its frames, shape (H, W, 3), RGB, 0..255.

    Raises:
        CameraError: It cannot be opened, or gives no frames.
    """
    stopped = threading.Event()

    def stop(signal_number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    def until_stopped(camera: Camera) -> Iterator[Image]:
        for image in camera:
            if stopped.is_set():
                return
            yield image

    with closing(Camera(number)) as camera:
        if threading.current_thread() is not threading.main_thread():
            yield until_stopped(camera)
            return
        before = signal.signal(signal.SIGINT, stop)
        try:
            yield until_stopped(camera)
        finally:
            signal.signal(signal.SIGINT, before)
