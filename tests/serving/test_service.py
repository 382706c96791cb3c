"""The service: the same predictions as ``affectzoo predict``, limits, errors as JSON, an end in order."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import cv2
import numpy as np
import PIL.Image
import pytest
from fakes.films import Squares, squares

import affectzoo
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, OptionError
from affectzoo.faces.detect import Detection
from affectzoo.inference.prediction import Predictor
from affectzoo.registry import DEFAULT_MODEL
from affectzoo.serving import hosting

pytest.importorskip("fastapi")
pytest.importorskip("fastapi_offline")
pytest.importorskip("uvicorn")
from starlette.testclient import TestClient

from affectzoo.serving.service import build_service
from affectzoo.serving.uploads import Limits

ASTRONAUT = Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg"
MODEL = "dlp_cnn_s.ferplus"
BYTES = {"content-type": "application/octet-stream"}
Make = Callable[..., TestClient]


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


TWO_FACES = png(squares((10, 20), (90, 40)))


@pytest.fixture(scope="module")
def model() -> Any:
    return affectzoo.load(MODEL)


@pytest.fixture
def make(model: Any) -> Iterator[Make]:
    clients = []

    def made(detector: Any = None, abstain: bool | float = False, **limits: Any) -> TestClient:
        predictor = Predictor(model, detector or Squares(), abstain=abstain)
        client = TestClient(
            build_service([predictor], MODEL, Limits(**limits)), raise_server_exceptions=False
        )
        clients.append(client.__enter__())
        return client

    yield made
    for client in clients:
        client.__exit__()


def fault(response: Any, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    assert response.json()["error"].keys() == {"code", "message"}
    assert response.json()["error"]["code"] == code
    return str(response.json()["error"]["message"])


# What is answered


@pytest.mark.parametrize(
    "kind", [None, "image/jpeg", *BYTES.values(), "application/x-www-form-urlencoded", "form"]
)
def test_one_image_is_answered_as_predict_does(make: Make, model: Any, kind: str | None) -> None:
    (expected,) = affectzoo.predict(ASTRONAUT, model)
    client = make(Predictor(model).detector)
    if kind == "form":
        answer = client.post("/predict", files={"anything": ("photo.jpg", ASTRONAUT.read_bytes())})
    else:
        headers = {} if kind is None else {"content-type": kind}
        answer = client.post("/predict", content=ASTRONAUT.read_bytes(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["file"] == ("photo.jpg" if kind == "form" else "image")
    assert answer.json()["error"] is None
    (face,) = answer.json()["faces"]
    assert tuple(face["box"]) == expected.box and face["label"] == expected.label == "happiness"
    assert face["probabilities"] == pytest.approx(dict(expected.probabilities))
    assert face["valence"] is None


def test_landmarks_are_answered() -> None:
    predictor = Predictor("landmarks_s.rendered", Squares())
    expected = affectzoo.predict(squares((10, 20), (90, 40))[..., ::-1], predictor.model, Squares())
    with TestClient(build_service([predictor], "landmarks_s.rendered")) as client:
        answer = client.post("/predict", content=TWO_FACES, headers=BYTES)
    faces = answer.json()["faces"]
    assert [len(face["landmarks"]) for face in faces] == [68, 68] and faces[0]["label"] is None
    for face, result in zip(faces, expected, strict=True):
        assert np.array(face["landmarks"]) == pytest.approx(np.array(result.landmarks), abs=1e-3)


def test_a_face_that_the_model_is_not_sure_of_has_no_label(make: Make) -> None:
    client = make(abstain=1.0)
    assert client.get("/model").json()["threshold"] == 1.0
    faces = client.post("/predict", content=TWO_FACES, headers=BYTES).json()["faces"]
    assert [face["label"] for face in faces] == [None, None]
    assert sum(faces[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_an_image_without_a_face_is_answered(make: Make) -> None:
    answer = make().post("/predict", content=png(np.zeros((50, 50, 3), np.uint8)), headers=BYTES)
    assert answer.status_code == 200
    assert answer.json() == {"file": "image", "faces": [], "error": "no face found"}


def test_a_batch_is_answered_in_order_with_what_is_wrong_in_its_place(make: Make) -> None:
    client = make(image_bytes=5000, image_pixels=30_000)
    sent = [
        ("a", ("two.png", TWO_FACES)),
        ("b", ("cut.png", TWO_FACES[:-30])),
        ("b", ("long.png", bytes(5001))),
        ("b", ("wide.png", png(np.zeros((200, 200, 3), np.uint8)))),
        ("c", ("last\x1b.png", TWO_FACES)),
    ]
    images = client.post("/batch", files=sent).json()["images"]
    assert [len(image["faces"]) for image in images] == [2, 0, 0, 0, 2]
    assert images[-1]["file"] == r"last\x1b.png" or images[-1]["file"] == "last%1B.png"
    errors = [image["error"] or "" for image in images]
    assert not errors[0] and errors[1].startswith("unreadable: cut.png: a damaged PNG")
    assert "5,001 bytes" in errors[2] and "40,000 pixels" in errors[3]


def test_health_and_model_are_told(make: Make) -> None:
    client = make(batch_files=7)
    assert client.get("/health").json()["requests"] == 0
    told = client.get("/model").json()
    assert told["name"] == MODEL and told["labels"][0] == "neutral" and told["limits"]["batch_files"] == 7
    assert told["license"]["weights"] == "Apache-2.0"


# What is refused


@pytest.mark.parametrize("cut", [0, 3, 20_000])
def test_a_damaged_image_is_refused_in_the_words_of_predict(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(ASTRONAUT.read_bytes()[:cut])
    assert main(["predict", str(path)]) == 1
    told = capsys.readouterr().err.splitlines()[-1].removeprefix(f"affectzoo: {path}: ")
    answer = make().post("/predict", files={"file": ("cut.jpg", path.read_bytes())})
    assert fault(answer, 422, "unreadable_image") == f"cut.jpg: {told}"


def test_too_much_is_refused(make: Make) -> None:
    client = make(image_bytes=10_000, batch_bytes=20_000, batch_files=2, image_pixels=1000)
    long = bytes(10_001)
    assert "10,000" in fault(client.post("/predict", content=long, headers=BYTES), 413, "too_large")
    pieces = (long[:3000] for _ in range(4))  # of no declared length
    assert "10,000" in fault(client.post("/predict", content=pieces, headers=BYTES), 413, "too_large")
    fault(client.post("/predict", files={"file": long}), 413, "too_large")
    fault(client.post("/batch", files=[("f", bytes(90_000))]), 413, "too_large")
    several = [("f", ("a.png", TWO_FACES))] * 3
    assert "2 files" in fault(client.post("/batch", files=several), 413, "too_many_files")
    assert "/batch" in fault(client.post("/predict", files=several), 413, "too_many_files")
    told = fault(client.post("/predict", content=TWO_FACES, headers=BYTES), 413, "too_many_pixels")
    assert "15,360 pixels" in told


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
def test_pixels_are_counted_before_decoding(make: Make, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = BytesIO()
    PIL.Image.new("RGB", (200, 100)).save(content, kind)
    monkeypatch.setattr(PIL.Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    answer = make(image_pixels=19_999).post("/predict", content=content.getvalue(), headers=BYTES)
    fault(answer, 413, "too_many_pixels")


def test_what_is_no_image_is_refused(make: Make) -> None:
    client = make()
    fault(client.post("/predict", json={"image": "a.jpg"}), 415, "unsupported_type")
    fault(client.post("/batch", content=TWO_FACES, headers=BYTES), 415, "unsupported_type")
    fault(client.post("/predict", content=b"%PDF-1.7 ...", headers=BYTES), 415, "unsupported_format")
    fault(client.post("/predict", content=b"no image at all", headers=BYTES), 422, "unreadable_image")
    fault(client.post("/predict", content=b"", headers=BYTES), 422, "unreadable_image")
    fault(client.post("/predict", data={"a": "b"}, files={}), 422, "unreadable_image")
    form = {"content-type": "multipart/form-data; boundary=x"}
    fault(client.post("/predict", content=b"--x\r\n\r\nbroken", headers=form), 400, "malformed")
    fault(
        client.post("/batch", content=b"", headers={"content-type": "multipart/form-data"}), 400, "malformed"
    )
    field = b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\ntext\r\n--x--\r\n'
    fault(client.post("/batch", content=field, headers=form), 422, "no_file")
    fault(client.get("/predict"), 405, "wrong_method")
    fault(client.get("/nothing"), 404, "not_found")


def test_damaged_requests_end_in_answers(make: Make) -> None:
    client, draw = make(batch_files=2), random.Random(0)
    jpeg = cv2.imencode(".jpg", squares((10, 20)))[1].tobytes()
    statuses = set()
    for _ in range(200):
        files = [draw.choice([TWO_FACES, jpeg, b""]) for _ in range(draw.randrange(4))]
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n\r\n'
        names = [draw.choice([b"a.png", b"\xff", b"../b", b'"', b"\r\n", b""]) for _ in files]
        parts = [head % name + file + b"\r\n" for name, file in zip(names, files, strict=True)]
        body = bytearray(b"".join([*parts, b"--x--\r\n"]))
        for _ in range(draw.choice([0, 1, 5])):
            place = draw.randrange(len(body))
            body[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        kind = draw.choice(
            ["multipart/form-data; boundary=x", "multipart/form-data; boundary=\xe9", "image/png"]
        )
        answer = client.post(
            draw.choice(["/predict", "/batch"]),
            content=bytes(body),
            headers={"content-type": kind.encode("latin-1")},
        )
        statuses.add(answer.status_code)
        assert answer.status_code == 200 or answer.json()["error"]["message"]
    assert {200, 400, 413, 415, 422} == statuses


class Slow:
    """A detector that waits until it is told to go on."""

    name = "slow"

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()

    def __call__(self, image: Any) -> list[Detection]:
        self.begun.release()
        assert self.go_on.wait(60)
        return []


def test_too_many_requests_are_refused_and_the_others_answered(make: Make) -> None:
    slow = Slow()
    client = make(slow, waiting=1)
    with ThreadPoolExecutor(2) as threads:
        try:
            running = [
                threads.submit(client.post, "/predict", content=TWO_FACES, headers=BYTES) for _ in range(2)
            ]
            slow.begun.acquire(timeout=60)
            while client.get("/health").json()["requests"] < 2:
                pass
            refused = client.post("/predict", content=TWO_FACES, headers=BYTES)
        finally:
            slow.go_on.set()
        fault(refused, 503, "busy")
        assert refused.headers["retry-after"] == "1"
        assert [answer.result().status_code for answer in running] == [200, 200]
    assert client.get("/health").json()["requests"] == 0


def test_what_takes_too_long_is_refused(make: Make) -> None:
    slow = Slow()
    client = make(slow, seconds=0.2)
    try:
        fault(client.post("/predict", content=TWO_FACES, headers=BYTES), 503, "timeout")
    finally:
        slow.go_on.set()
    assert client.post("/predict", content=TWO_FACES, headers=BYTES).status_code == 200


@pytest.mark.parametrize("ends", [False, True])
def test_a_body_that_does_not_come_is_not_waited_for(make: Make, ends: bool) -> None:
    client = make(seconds=0.1)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if ends:
            return {"type": "http.disconnect"}
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    asyncio.run(client.app({**scope, "raw_path": b"/predict", "root_path": ""}, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == (400 if ends else 408)
    assert json.loads(sent[1]["body"])["error"]["code"] == ("disconnected" if ends else "too_slow")


def test_what_fails_inside_is_not_told_outside(make: Make) -> None:
    class Broken(Squares):
        def __call__(self, image: Any) -> list[Detection]:
            raise RuntimeError("secret path")

    client = make(Broken())
    told = fault(client.post("/predict", content=TWO_FACES, headers=BYTES), 500, "internal")
    assert "secret" not in told
    assert client.get("/health").json()["requests"] == 0


def test_models_of_clips_are_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(model, Squares())
    monkeypatch.setattr(type(model), "sequence", True)
    with pytest.raises(AffectZooError, match="videos"):
        build_service([predictor], MODEL)


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(OptionError, match="image_bytes"):
        Limits(image_bytes=0)
    assert Limits(waiting=0).waiting == 0


# Its description


def test_the_page_of_documentation_needs_nothing_from_elsewhere(make: Make) -> None:
    client = make()
    page = client.get("/").text
    assert "swagger" in page.lower()
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page) + re.findall(r"url: '([^']+)'", page)
    assert len(links) >= 4 and not re.search(r"https?://", page)
    for link in links:
        assert client.get(link).status_code == 200, link


def test_openapi_describes_bodies_and_failures(make: Make) -> None:
    told = make().get("/openapi.json").json()["paths"]
    assert set(told) == {"/health", "/model", "/predict", "/batch"}
    for path in ("/predict", "/batch"):
        post = told[path]["post"]
        assert "multipart/form-data" in post["requestBody"]["content"]
        assert {"200", "400", "408", "413", "415", "422", "503"} == set(post["responses"])


# The command


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_the_command_in_order(number: int) -> None:
    started = [sys.executable, "-m", "affectzoo", "serve", "--port", "0"]
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first, second = process.stderr.readline(), process.stderr.readline()
            where = re.search(r"answers at (http://127\.0\.0\.1:(\d+)),", first)
            assert where is not None and second == "Ctrl-C ends it\n"
            with urlopen(f"{where[1]}/health", timeout=60) as answer:
                assert json.load(answer)["model"] == DEFAULT_MODEL
            assert main(["serve", "--port", where[2]]) == 1  # taken
            process.send_signal(number)
            assert process.wait(30) == 0
            assert process.stderr.read() == "ended\n"
        finally:
            process.kill()


def test_other_machines_are_let_in_loudly() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        assert hosting.warning(host) is None
    for host in ("0.0.0.0", "::", "8.8.8.8"):
        assert (hosting.warning(host) or "").startswith("WARNING")
    with hosting.listen("0.0.0.0", 0) as opened:
        assert hosting.url(opened, "0.0.0.0").startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_the_service_is_light() -> None:
    script = """
import sys, torch, cv2, numpy
needed = set(sys.modules)
from affectzoo import Predictor
from affectzoo.serving.service import build_service
build_service([Predictor()], "x")
heavy = "lightning torchmetrics matplotlib albumentations timm pandas scipy av gradio".split()
print(sorted(set(heavy) & (set(sys.modules) - needed)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[]\n", done.stdout + done.stderr
