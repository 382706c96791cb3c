"""``affectzoo serve``: load, listen, answer until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import closing, suppress

from affectzoo.console import visible
from affectzoo.faces.detect import make_detector
from affectzoo.inference.backend import load_model
from affectzoo.inference.prediction import Predictor
from affectzoo.packages import need
from affectzoo.serving.hosting import listen, url, warning

GRACE = 10
"""Seconds in which running requests may end once the service is told to."""


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo serve``.

    Raises:
        AffectZooError: It cannot be done as asked.
    """
    need("affectzoo serve", "serve", "fastapi", "fastapi_offline", "uvicorn", "python_multipart")
    import uvicorn

    from affectzoo.serving.service import build_service
    from affectzoo.serving.uploads import Limits

    limits = Limits(
        image_bytes=round(args.max_megabytes * 2**20),
        image_pixels=round(args.max_megapixels * 1e6),
        batch_files=args.max_files,
        batch_bytes=round(args.max_batch_megabytes * 2**20),
        seconds=args.seconds,
        waiting=args.waiting,
    )
    with closing(listen(args.host, args.port)) as opened:
        model = load_model(args.model, backend=args.backend)
        predictors = [
            Predictor(
                model,
                make_detector(args.detector, args.detector_file, args.search_size),
                device=args.device,
                min_score=args.min_score,
                min_face=args.min_face,
                balance=args.balance,
                abstain=args.abstain,
            )
            for _ in range(args.workers)
        ]
        service = build_service(predictors, args.model, limits)
        server = uvicorn.Server(
            uvicorn.Config(
                service,
                log_level="info" if args.access_log else "warning",
                access_log=args.access_log,
                timeout_graceful_shutdown=GRACE,
                server_header=False,
            )
        )
        logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the sender is told what is wrong
        where = url(opened, args.host)
        for line in (warning(args.host), f"{args.model} answers at {where}, described at {where}/docs"):
            if line is not None:
                print(visible(line), file=sys.stderr, flush=True)
        print("Ctrl-C ends it", file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt, SystemExit):  # the signal, once all requests are answered
            server.run(sockets=[opened])
    print("ended", file=sys.stderr)
