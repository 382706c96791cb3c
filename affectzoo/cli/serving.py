"""``affectzoo serve`` and ``app``: predictions for programs and in the browser."""

from __future__ import annotations

import argparse

from affectzoo.cli.options import COUNT, COUNT_OR_NONE, PORT, POSITIVE, Commands, Parser, lazily
from affectzoo.registry import DEFAULT_MODEL

_SERVE = """\
Answer over HTTP: POST an image's bytes to /predict, several files to /batch; /docs describes it all. What is
sent is decoded in memory, predicted on and forgotten. By default this machine alone reaches it. Needs the
extra: pip install "affectzoo[serve]".

  affectzoo serve
  curl --data-binary @photo.jpg http://127.0.0.1:8000/predict
  curl -F files=@a.jpg -F files=@b.png http://127.0.0.1:8000/batch
"""


def add_serve(commands: Commands) -> None:
    """Add ``affectzoo serve``."""
    serve = commands.add_parser("serve", help="answer with predictions over HTTP", description=_SERVE)
    _add_model(serve, DEFAULT_MODEL, ("auto", "yunet", "centerface", "haar", "none"))
    serve.add_backend()
    serve.add_argument("--device", metavar="D", help="where the model runs, such as cuda (default: cpu)")
    serve.add_argument(
        "--workers",
        **COUNT,
        default=1,
        metavar="N",
        help="images predicted on at once (default: %(default)s)",
    )
    _add_place(serve, 8000)
    limits = _add_limits(
        serve,
        ("--max-megabytes", 20.0, "MiB of one image's file"),
        ("--max-megapixels", 50.0, "million pixels of one image"),
        ("--max-batch-megabytes", 80.0, "MiB of all files of one request"),
        ("--seconds", 30.0, "seconds in which a request must come, and in which it is answered"),
    )
    limits.add_argument(
        "--max-files", **COUNT, default=16, metavar="N", help="files of one request (default: %(default)s)"
    )
    limits.add_argument(
        "--waiting",
        **COUNT_OR_NONE,
        default=16,
        metavar="N",
        help="requests that wait while others are answered; further ones get 503 (default: %(default)s)",
    )
    serve.add_argument("--access-log", action="store_true", help="log each request: address, path, status")
    serve.set_defaults(run=lazily("affectzoo.serving.serve_command"))


_APP = """\
Predict in the browser: a photograph, a video, the webcam; pictures, tables and charts to download. Nothing
leaves this machine, and by default it alone reaches the page. Uploads and results are deleted at the end.
Needs the extra: pip install "affectzoo[app]".

  affectzoo app --open
"""


def add_app(commands: Commands) -> None:
    """Add ``affectzoo app``."""
    app = commands.add_parser("app", help="predict in the browser", description=_APP)
    _add_model(app, "mobilenet_v1.multitask", ("auto", "yunet", "centerface", "haar"))
    _add_place(app, 7860)
    app.add_argument("--open", action="store_true", help="open the browser")
    _add_limits(
        app,
        ("--max-megabytes", 100.0, "MiB of one file"),
        ("--max-megapixels", 50.0, "million pixels of a photograph"),
        ("--seconds", 60.0, "seconds that are taken of a video, from its beginning"),
        ("--fps", 10.0, "frames that are taken of each of these seconds"),
    )
    app.set_defaults(run=lazily("affectzoo.serving.app_command"))


def _add_model(parser: Parser, default: str, detectors: tuple[str, ...]) -> None:
    parser.add_argument(
        "--model",
        default=default,
        help="arch.tag, hf-hub:OWNER/NAME[@REV], a run's folder or a file (default: %(default)s)",
    )
    told = "auto: yunet or centerface when its file is at hand, else haar"
    ready = "; none: each image is a ready crop" if "none" in detectors else ""
    parser.add_detector(detectors, told + ready)
    parser.add_search()
    parser.add_label_rules()


def _add_limits(parser: Parser, *options: tuple[str, float, str]) -> argparse._ArgumentGroup:
    limits = parser.add_argument_group("limits")
    for name, default, told in options:
        limits.add_argument(
            name, **POSITIVE, default=default, metavar="N", help=f"{told} (default: %(default)g)"
        )
    return limits


def _add_place(parser: Parser, port: int) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="where to listen; anything but the default lets other machines in (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        **PORT,
        default=port,
        metavar="N",
        help="0: any that is free (default: %(default)s)",
    )
