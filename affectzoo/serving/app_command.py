"""``affectzoo app``: the page in the browser, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import warnings
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from affectzoo.console import visible
from affectzoo.faces.detect import make_detector
from affectzoo.packages import need
from affectzoo.serving.hosting import listen, url, warning


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo app``.

    Raises:
        AffectZooError: It cannot be done as asked.
    """
    need("affectzoo app", "app", "gradio", "av")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="affectzoo-")))
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is loaded
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        for name in ("no_proxy", "NO_PROXY"):  # Gradio asks its own server whether it has started
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost,127.0.0.1,::1")))
        from affectzoo.serving.analysis import Analyst, AppLimits, check_fits, choices
        from affectzoo.serving.app import LAUNCH, build_app

        with listen(args.host, args.port) as opened:  # Gradio takes it anew
            port, where = opened.getsockname()[1], url(opened, args.host)
        limits = AppLimits(args.max_megabytes, args.max_megapixels, args.seconds, args.fps)
        detector = partial(make_detector, args.detector, args.detector_file, args.search_size)
        rules = {name: getattr(args, name) for name in ("min_score", "min_face", "balance", "abstain")}
        analyst = Analyst(folder, limits, detector, **rules)
        check_fits(analyst.predictor(args.model), args.model)
        app = build_app(analyst, sorted({args.model, *choices()}), args.model)
        stack.callback(app.close, verbose=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app.launch(
                server_name=args.host,
                server_port=port,
                inbrowser=args.open,
                prevent_thread_lock=True,
                max_file_size=round(args.max_megabytes * 2**20),
                **LAUNCH,
            )
        for line in (warning(args.host), f"the app is at {where}", "Ctrl-C ends it"):
            if line is not None:
                print(visible(line), file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt, SystemExit):
            threading.Event().wait()
    print("ended", file=sys.stderr)
