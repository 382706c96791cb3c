"""How many photographs ``affectzoo serve`` answers, how fast, and what it does with too many requests.

Starts the service on this machine at a free port of 127.0.0.1, and lets clients send one photograph after
the other, each as soon as the one before is answered, for some seconds with each number of clients. Needs the
extra ``serve``.

    python benchmarks/serving.py --clients 1 4 16 64 --seconds 10
"""

import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

import affectzoo

PHOTO = Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg"
HOST = "127.0.0.1"
MOST_CLIENTS, MOST_SECONDS, MOST_REQUESTS = 128, 60.0, 100_000


def client(port: int, photo: bytes, end: float, seen: list[tuple[int, float]]) -> None:
    """Send one request after the other until the end."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    while time.monotonic() < end and len(seen) < MOST_REQUESTS:
        start = time.monotonic()
        connection.request("POST", "/predict", photo, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        seen.append((answer.status, time.monotonic() - start))
        if answer.status == 503:
            time.sleep(0.1)  # a client that tries again later
    connection.close()


def load(port: int, photo: bytes, clients: int, seconds: float) -> tuple[list[tuple[int, float]], float]:
    """The statuses and latencies, seconds, of all requests, and how long they took together."""
    seen: list[tuple[int, float]] = []
    start = time.monotonic()
    end = start + seconds
    threads = [threading.Thread(target=client, args=(port, photo, end, seen)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen, time.monotonic() - start


def memory(process: int) -> float:
    """The peak of a process's memory, MiB; 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    text = status.read_text(encoding="ascii") if status.exists() else ""
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--model", default="dlp_cnn_s.ferplus")
    parser.add_argument("--detector", default="auto", help="none: each photograph is a ready crop")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    if max(args.clients) > MOST_CLIENTS or args.seconds > MOST_SECONDS:
        parser.error(f"at most {MOST_CLIENTS} clients and {MOST_SECONDS:g} seconds")
    command = [sys.executable, "-m", "affectzoo", "serve", "--port", "0", "--model", args.model]
    command += ["--workers", str(args.workers), "--detector", args.detector]
    table = Table("clients", "answered per second", "median, ms", "95 %, ms", "200", "503", "peak, MiB")
    photo = PHOTO.read_bytes()
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | threads) as service:
        try:
            assert service.stderr is not None
            told = service.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)", told)
            if found is None:
                raise SystemExit(f"the service did not start: {told}{service.stderr.read()}")
            load(int(found[1]), photo, 1, 1.0)
            for clients in args.clients:
                seen, spent = load(int(found[1]), photo, clients, args.seconds)
                taken = sorted(1000 * seconds for status, seconds in seen if status == 200)
                counts = Counter(status for status, _ in seen)
                if set(counts) - {200, 503}:
                    raise SystemExit(f"unexpected answers: {dict(counts)}")
                table.add_row(
                    str(clients),
                    f"{len(taken) / spent:.1f}",
                    f"{statistics.median(taken):.0f}",
                    f"{taken[int(0.95 * len(taken))]:.0f}",
                    str(counts[200]),
                    str(counts[503]),
                    f"{memory(service.pid):.0f}",
                )
        finally:
            service.terminate()
            if service.stderr is not None:
                service.stderr.read()  # to its end, lest it cannot say that it ends
    Console().print(table)
    if service.returncode:
        raise SystemExit(f"the service ended with {service.returncode}")


if __name__ == "__main__":
    main()
