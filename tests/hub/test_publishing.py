"""Publishing: the folder, its checks, and the commit on the Hub."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fakes.described import described
from fakes.hub import FakeHub, User
from fakes.records import make_record
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import affectzoo
from affectzoo import store, weights
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, OutputError, UnknownNameError, WeightsError
from affectzoo.evaluation.record import Identity, write_record
from affectzoo.files import fetch
from affectzoo.files.images import read_image
from affectzoo.hub import bundling
from affectzoo.hub.bundling import bundle
from affectzoo.hub.cards.facts import CardFacts
from affectzoo.hub.publishing import Built, build, publish
from affectzoo.models.base import AffectModel
from affectzoo.zoo import golden
from affectzoo.zoo.loading import seal

# The client's own way of sending files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CARDS = Path(__file__).parents[2] / "model_cards"
REPO = "lab/net"
TERMS = {"weights": "Apache-2.0", "code": "Apache-2.0", "images": "for research", "labels": "MIT"}
LABELS = ["calm", "tense", "neither"]
WRITER, READER = "hf_writer", "hf_reader"
CONFIG = {
    "seed_everything": 0,
    "trainer": {
        "logger": [{"class_path": "CSVLogger", "init_args": {"save_dir": "/home/grace/runs/x"}}],
        "max_epochs": 3,
        "default_root_dir": "/home/grace/runs/x",
    },
    "model": {
        "class_path": "affectzoo.modules.DLPCNNSmall",
        "init_args": {"weights": "/home/grace/runs/start", "frozen": "none"},
    },
    "data": {
        "class_path": "affectzoo.datamodules.FERPlus",
        "init_args": {"root": "/data/fer", "rule": "majority"},
    },
    "run_dir": "runs/x",
    "checkpoint": {"dirpath": "/home/grace/runs/x/checkpoints", "mode": "max"},
    "ckpt_path": None,
}


def small(half: bool = True, **training: Any) -> tuple[AffectModel, weights.WeightsMeta]:
    torch.manual_seed(0)
    model = affectzoo.create_model("dlp_cnn_s", labels=LABELS).eval()
    if half:
        model.half().float()
    facts = {"data": "ferplus", "epochs": 3, "epoch_rule": "last epoch of the schedule", **training}
    return model, described(model.describe(), **facts)


def write_run(folder: Path, *, half: bool = True, sealed: bool = True, **training: Any) -> Path:
    """A run's folder as ``affectzoo fit`` and ``test`` leave it."""
    model, meta = small(half, **training)
    path = folder / weights.FILE_NAME
    weights.write(path, model.network_state(), meta, half=half)
    if sealed:
        seal(path)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    write_record(folder, twenty_faces(Identity.read(path)), {})
    return folder


def twenty_faces(identity: Identity, accuracy: float = 0.75) -> dict[str, Any]:
    """The record of ``affectzoo test`` on twenty faces."""
    record = make_record("x", accuracy, key="ferplus_test_split-x-12345678")
    sums = {"sha256": [], "tensors_sha256": identity.tensors}
    faces = {"total": 20, "predicted": 20, "missing": 0}
    return record | {"model": {**record["model"], **sums}, "faces": faces}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(whole_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_run, tmp_path / "runs" / "x"))


def plain_card(meta: weights.WeightsMeta, facts: CardFacts) -> str:
    head = "---\nlicense: apache-2.0\nlibrary_name: affectzoo\n---\n"
    prose = "".join(f"<!-- prose: {n} -->\n{told}\n<!-- /prose -->\n" for n, told in facts.prose.items())
    return f"{head}\n# {facts.name}\n\n{prose}"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short card, and a user and a host whose names are nowhere else."""
    monkeypatch.setattr("affectzoo.hub.cards.card.render", plain_card)
    monkeypatch.setattr(getpass, "getuser", lambda: "gracehopper")
    monkeypatch.setattr(socket, "gethostname", lambda: "atlas.example.org")


def built(model: str | Path, folder: Path, **options: Any) -> Built:
    return build(model, folder, **{"repo": REPO, "license": TERMS, **options})


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def outputs(model: AffectModel) -> list[torch.Tensor]:
    """For a face of noise; in one fixed way of computing."""
    torch.manual_seed(1)
    with torch.inference_mode():
        return [value for value in model(torch.randn(2, 1, 48, 48)) if value is not None]


def same(one: AffectModel, other: AffectModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(outputs(one), outputs(other), strict=True))


def own_record(run: Path, **changes: Any) -> dict[str, Any]:
    """A record of a run's weights with paths of the machine that measured it."""
    spec = "/home/grace/runs/x"
    record = make_record(
        spec,
        spec=spec,
        key="ferplus_valid--home-grace-runs-x-1a2b3c4d",
        model={"sha256": [fetch.sha256(run / weights.FILE_NAME)]},
        predictions="predictions/x.csv",
        command=f"affectzoo benchmark --data ferplus=/data/fer --models {spec} --protocol ferplus_valid "
        "--out /tmp/b",
    )
    return {**record, **changes}


def board(folder: Path, *records: Mapping[str, Any]) -> Path:
    (folder / "records").mkdir(parents=True)
    for i, record in enumerate(records):
        (folder / "records" / f"{i}.json").write_text(json.dumps(record))
    return folder


# The folder


def test_the_folder_says_all_that_a_reader_needs(run: Path, tmp_path: Path) -> None:
    record = own_record(run)
    done = built(run, tmp_path / "out", records=[board(tmp_path / "board", record)])
    files = contents(done.folder)
    key = "ferplus_valid-1a2b3c4d"
    kept = ["records/ferplus_valid-12345678.json", f"records/{key}.json"]  # the run's own test, and the given
    names = "README.md config.json golden.json golden.png model.safetensors recipe.yaml"
    assert sorted(files) == [*names.split(), *kept]
    config = json.loads(files["config.json"])
    path = done.folder / "model.safetensors"
    assert config == {
        "format": 1,
        "library": "affectzoo",
        "meta": weights.read_meta(path).to_dict(),
        "sha256": {"model.safetensors": fetch.sha256(path)},
        "tensors_sha256": weights.fingerprint(weights.read_tensors(run / weights.FILE_NAME)),
        "parameters": sum(p.numel() for p in affectzoo.load(run).parameters()),
        "versions": {"affectzoo": affectzoo.__version__, "torch": torch.__version__},
        "recipe": "recipe.yaml",
        "records": kept,
    }
    assert config["meta"]["license"] == TERMS
    assert config["meta"]["metrics"] == []
    assert yaml.safe_load(files["recipe.yaml"]) == {
        "seed_everything": 0,
        "trainer": {"max_epochs": 3},
        "model": {
            "class_path": "affectzoo.modules.DLPCNNSmall",
            "init_args": {"weights": "start", "frozen": "none"},
        },
        "data": {"class_path": "affectzoo.datamodules.FERPlus", "init_args": {"rule": "majority"}},
        "checkpoint": {"mode": "max"},
    }
    published = json.loads(files[f"records/{key}.json"])
    assert published["system"] == "net" and published["spec"] == "hf-hub:lab/net"
    assert published["command"] == (
        "affectzoo benchmark --data ferplus=DIR --models hf-hub:lab/net --protocol ferplus_valid --out board"
    )
    assert published["model"]["sha256"] == record["model"]["sha256"], "of the file that was measured"
    assert published["model"]["tensors_sha256"] == config["tensors_sha256"]
    assert published["metrics"] == record["metrics"] and "predictions" not in published
    assert [check.name for check in done.checks if check.passed] == (
        "repository,licenses,records,metrics,recipe,weights,fresh load,card,nothing private".split(",")
    )


def test_the_golden_face_is_shown(run: Path, tmp_path: Path) -> None:
    folder = built(run, tmp_path / "out").folder
    stored = weights.read_golden(folder / "model.safetensors")
    assert torch.equal(torch.from_numpy(read_image(folder / "golden.png")), stored["golden.picture"][0])
    told = json.loads((folder / "golden.json").read_text())
    (scores,) = told["outputs"]["expression"]
    expected = dict(zip(LABELS, stored["golden.expression"][0].tolist(), strict=True))
    assert scores == pytest.approx(expected, abs=1e-6)
    assert told["box"] == stored["golden.box"].tolist()


def test_clips_and_values_are_shown_frame_by_frame(tmp_path: Path) -> None:
    model = affectzoo.create_model("cnn_gru", task="va", backbone="resnet18", units=8)
    preprocess = replace(model.preprocess, size=64, resize=None)
    model = affectzoo.create_model("cnn_gru", task="va", backbone="resnet18", units=8, preprocess=preprocess)
    facts = {"data": "afewva", "window": 8}
    path = tmp_path / "x.safetensors"
    weights.write(path, model.network_state(), described(model.describe(), **facts))
    record = tmp_path / "record.json"
    record.write_text(json.dumps(twenty_faces(Identity.read(path))))
    folder = built(path, tmp_path / "out", records=[record]).folder
    told = json.loads((folder / "golden.json").read_text())
    assert [sorted(frame) for frame in told["outputs"]["va"]] == [["arousal", "valence"]] * golden.FRAMES
    height, width = weights.read_golden(folder / "model.safetensors")["golden.picture"].shape[1:3]
    assert read_image(folder / "golden.png").shape == (height, golden.FRAMES * width, 3)


def test_float16_is_exact_for_a_run_of_float16(run: Path, tmp_path: Path) -> None:
    folder = built(run, tmp_path / "out").folder
    assert weights.is_half(folder / "model.safetensors")
    assert same(affectzoo.load(folder), affectzoo.load(run))
    kept, made = (weights.read_golden(place / "model.safetensors") for place in (run, folder))
    assert all(torch.equal(kept[name], made[name]) for name in kept)


def test_float32_is_exact_and_float16_is_the_rounding(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", half=False)
    original = affectzoo.load(run)
    full = affectzoo.load(built(run, tmp_path / "full", half=False).folder)
    assert not weights.is_half(tmp_path / "full" / "model.safetensors")
    assert same(full, original)
    half = affectzoo.load(built(run, tmp_path / "half").folder)
    assert not same(half, original)
    original.half().float()
    assert same(half, original)
    sums = [
        json.loads((tmp_path / n / "config.json").read_text())["tensors_sha256"] for n in ("full", "half")
    ]
    assert sums[0] == sums[1]


def test_the_same_makes_the_same_bytes(run: Path, tmp_path: Path) -> None:
    records = [board(tmp_path / "board", own_record(run))]
    first = contents(built(run, tmp_path / "first", records=records).folder)
    assert contents(built(run, tmp_path / "second", records=records).folder) == first
    assert contents(built(tmp_path / "first", tmp_path / "third").folder) == first, "from the published form"
    data = first["model.safetensors"]
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["affectzoo"], "several would be in any order"
    assert len({path.stat().st_mode for path in (tmp_path / "first").glob("*.*")}) == 1


def test_fingerprint_tells_weights_apart() -> None:
    tensors = {"a": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
    same_ = weights.fingerprint({"n": tensors["n"], "a": tensors["a"].half()})
    assert weights.fingerprint(tensors) == same_
    others = [
        {**tensors, "a": torch.tensor([1.0, 2.01])},
        {**tensors, "a": torch.tensor([[1.0, 2.0]])},
        {**tensors, "n": torch.tensor(4)},
        {"b": tensors["a"], "n": tensors["n"]},
    ]
    assert len({same_, *map(weights.fingerprint, others)}) == 5


def test_an_unsealed_file_is_sealed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sealed=False)
    assert not weights.read_golden(run / "model.safetensors")
    assert weights.read_golden(built(run, tmp_path / "out").folder / "model.safetensors")


def test_bundled_weights_and_the_real_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    name = "dlp_cnn_s.ferplus"
    done = build(name, tmp_path / "out", repo=REPO)
    assert done.name == name
    card = (done.folder / "README.md").read_text(encoding="utf-8")
    assert f"# {name}" in card and "license: apache-2.0" in card and f"hf-hub:{REPO}" in card
    assert same(affectzoo.load(done.folder), affectzoo.load(name))


def test_prose_is_kept(run: Path, tmp_path: Path) -> None:
    out = built(run, tmp_path / "out").folder
    with (out / "README.md").open("a") as card:
        card.write("<!-- prose: limits -->\nOnly frontal faces.\n<!-- /prose -->\n")
    built(run, out)
    assert "Only frontal faces." in (out / "README.md").read_text()
    assert "Only frontal faces." in (built(out, tmp_path / "other").folder / "README.md").read_text()


# Records


def test_a_folder_of_records_gives_those_of_these_weights(run: Path, tmp_path: Path) -> None:
    others = [make_record("other"), make_record("hog+svm", kind="classical", model=None)]
    folder = board(tmp_path / "board", others[0], own_record(run, system="ours"), others[1])
    done = built(run, tmp_path / "out", records=[folder])
    told = [json.loads(path.read_text())["system"] for path in (done.folder / "records").iterdir()]
    assert sorted(told) == ["ours", "x"], "that of the run's own test, too"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": {"sha256": ["ab" * 32], "training": {}}},
            "was measured with other weights, sha256 abababababab, not ",
        ),
        ({"kind": "features"}, "is not a model as it is"),
        ({"model": {"sha256": ["ab" * 32] * 5, "training": {}}}, "is the 5 models of a cross-validation"),
    ],
)
def test_other_records_are_refused(run: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(own_record(run, **changes)))
    with pytest.raises(
        AffectZooError, match=rf"records: .*record\.json: no record of these weights: .*{message}"
    ):
        built(run, tmp_path / "out", records=[path])


# Checks


def test_all_faults_are_listed_at_once(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "records")
    with pytest.raises(AffectZooError) as error:
        build(run, tmp_path / "out", repo="net", license={"weights": "MIT"})
    assert str(error.value) == (
        f"{run}: not to be published, 3 of 9 checks failed:\n"
        "  repository: 'net' has no owner: expected OWNER/NAME\n"
        "  licenses: no terms of code, images, labels: name them, such as --license weights=Apache-2.0 "
        "'images=for non-commercial research'\n"
        f"  metrics: nothing was measured: test the run: affectzoo test --config {run}/config.yaml "
        f"--model.weights {run} --model.new_head false --run_dir {run} (--data.test_split valid measures "
        "another part); or give records of affectzoo benchmark with --record"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("repo", ["lab/net/x", "lab/net..x"])
def test_names_of_repositories(run: Path, tmp_path: Path, repo: str) -> None:
    with pytest.raises(AffectZooError, match="1 of 9 checks failed:\n  repository: "):
        built(run, tmp_path / "out", repo=repo)


@pytest.mark.parametrize(
    ("license", "message"),
    [
        (
            {"weight": "MIT"},
            "license terms of weight; expected: weights, code, starting weights, images, labels",
        ),
        ({"labels": " "}, "the license terms of labels are empty"),
    ],
)
def test_licenses(run: Path, tmp_path: Path, license: dict[str, str], message: str) -> None:
    with pytest.raises(AffectZooError, match=f"1 of 9 checks failed:\n  licenses: {message}"):
        built(run, tmp_path / "out", license={**TERMS, **license})


def test_starting_weights_have_terms_too(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", started_from="vggface")
    with pytest.raises(AffectZooError, match="licenses: no terms of starting weights: "):
        built(run, tmp_path / "out")
    built(run, tmp_path / "out", license={**TERMS, "starting weights": "for research"})


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("license: my-own\n", "license 'my-own' is none of the Hub's: "),
        ("license: other\n", "license 'other' is none"),
        ("license: [\n", "its metadata is wrong: "),
        ("license: mit\nmodel-index: 3\n", "its metadata is wrong: |is none"),
    ],
)
def test_the_cards_metadata(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, message: str
) -> None:
    monkeypatch.setattr("affectzoo.hub.cards.card.render", lambda meta, facts: f"---\n{head}---\n")
    with pytest.raises(AffectZooError, match=f"1 of 9 checks failed:\n  card: {message}"):
        built(run, tmp_path / "out")


def altered(run: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """The run with other tensors under the same description."""
    path = run / weights.FILE_NAME
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata=metadata)
    return run


def first(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return tensors[next(name for name in sorted(tensors) if name.startswith("trunk.") and "weight" in name)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: first(t).fill_(torch.nan), r"model\.safetensors: \S+ holds values that are not finite"),
        (
            lambda t: t.update({"optimizer.state.0.exp_avg": torch.ones(2)}),
            r"weights: \S+model\.safetensors: tensors do not fit dlp_cnn_s: optimizer\.\S+ is unknown",
        ),
        (
            lambda t: t.update({"golden.note": torch.ones(2)}),
            r"fresh load: tensors that are neither weights nor golden face: golden\.note",
        ),
        (lambda t: first(t).neg_(), r"weights: \S+model\.safetensors: the self-test failed"),
    ],
)
def test_tensors(
    run: Path, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    with pytest.raises(AffectZooError, match=message):
        built(altered(run, change), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


@pytest.mark.parametrize("options", [{"half": False}, {"half": True}])
@pytest.mark.parametrize("half", [True, False])
def test_what_fails_its_own_self_test_is_never_sealed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool, options: dict[str, Any]
) -> None:
    run = altered(write_run(tmp_path / "run", half=half), lambda tensors: first(tensors).neg_())
    monkeypatch.setenv("AFFECTZOO_SELF_TEST", "0")  # switches off what loading tests, not this
    with pytest.raises(AffectZooError, match=r"weights: \S+model\.safetensors: the self-test failed"):
        built(run, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_what_was_noted_of_a_file_is_tested_again(run: Path, tmp_path: Path) -> None:
    path = run / weights.FILE_NAME
    affectzoo.load(run)  # notes that it passed
    noted = path.stat()
    altered(run, lambda tensors: first(tensors).neg_())
    os.utime(path, ns=(noted.st_atime_ns, noted.st_mtime_ns))
    assert path.stat().st_size == noted.st_size
    with pytest.raises(AffectZooError, match="the self-test failed"):
        built(run, tmp_path / "out")


def test_bundling_tests_its_source_too(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ASSETS", tmp_path / "assets")
    monkeypatch.setenv("AFFECTZOO_SELF_TEST", "0")
    altered(run, lambda tensors: first(tensors).neg_())
    terms = {"weights": "MIT", "images": "MIT", "labels": "MIT"}
    with pytest.raises(WeightsError, match="the self-test failed"):
        bundle(run, "dlp_cnn_s.broken", [own_record(run)], "recipes/x.yaml", terms)
    assert not list((tmp_path / "assets").rglob("*.safetensors"))


def test_bundling_says_what_is_wrong_on_its_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record = next((CARDS / "records").rglob("*.json"))
    for path, told in ((tmp_path / "none.json", "none.json"), (record, "--license images: expected")):
        given = ["run", "a.b", "--record", str(path), "--recipe", "r", "--license", "images"]
        monkeypatch.setattr(sys, "argv", ["bundling", *given])
        with pytest.raises(SystemExit):
            bundling.main()
        assert told in capsys.readouterr().err


def test_bundling_carries_the_terms_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("store", "store.entry"):
        monkeypatch.setattr(f"affectzoo.{module}.ASSETS", tmp_path / "assets")
    start = {"starting weights": "for research; images: on request"}
    run = write_run(tmp_path / "run", started_from="vggface", license=start)
    terms = {"weights": "MIT", "images": "MIT", "labels": "MIT"}
    try:
        store.entries.cache_clear()
        other = write_run(tmp_path / "other", started_from="vggface")
        with pytest.raises(WeightsError, match="starting weights"):
            bundle(other, "dlp_cnn_s.tuned", [own_record(other)], "recipes/x.yaml", terms)
        entry = bundle(run, "dlp_cnn_s.tuned", [own_record(run)], "recipes/x.yaml", terms)
        assert entry.meta.license == {**start, **terms}
        assert weights.read_meta(entry.path) == entry.meta
    finally:
        store.entries.cache_clear()


def test_private_texts_are_refused_wherever_they_are(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", note="by gracehopper on atlas")
    with pytest.raises(AffectZooError, match="1 of 9 checks failed:\n  nothing private: ") as error:
        built(run, tmp_path / "out")
    assert "config.json, meta.training.notes.note: user name gracehopper" in str(error.value)
    assert "model.safetensors, metadata.affectzoo: host name atlas" in str(error.value)


def test_cards_and_keys_are_looked_at(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = "---\nlicense: mit\n---\n\nOf /home/grace/runs/x.\n"
    monkeypatch.setattr("affectzoo.hub.cards.card.render", lambda meta, facts: card)
    (run / "config.yaml").write_text(yaml.safe_dump({"model": {"gracehopper": 1}}))
    with pytest.raises(AffectZooError) as error:
        built(run, tmp_path / "out")
    assert "README.md, line 5: path /home/grace/runs/x" in str(error.value)
    assert re.search(r"recipe\.yaml, line 3: user name gracehopper", str(error.value))


def test_names_of_the_repository_and_of_everyone_are_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", note="gracehopper at root")
    built(run, tmp_path / "out", repo="gracehopper/net")
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    built(run, tmp_path / "out")


def test_unreadable_pictures_go_by_their_names(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", unreadable=["/data/fer/x.png: the file is empty (line 3)"])
    folder = built(run, tmp_path / "out").folder
    assert weights.read_meta(folder / "model.safetensors").training.notes["unreadable"] == [
        "x.png: the file is empty (line 3)"
    ]


def test_results_of_other_weights_are_passed_over(run: Path, tmp_path: Path) -> None:
    """After a test of another checkpoint, or a second training into the run's folder."""
    other = twenty_faces(Identity("0" * 64, "1" * 64), accuracy=0.25)
    write_record(run, {**other, "key": "other"}, {})
    result = built(run, tmp_path / "out")
    (check,) = (check for check in result.checks if check.name == "records")
    assert "other.json: passed over" in check.told and "other weights" in check.told
    assert [path.stem for path in (result.folder / "records").iterdir()] == ["ferplus_valid-12345678"]
    assert "0.2500" not in (result.folder / "README.md").read_text(encoding="utf-8")
    shutil.rmtree(run / "records")
    write_record(run, other, {})
    with pytest.raises(AffectZooError, match="metrics: nothing was measured"):
        built(run, tmp_path / "none")


def test_results_without_weights_are_passed_over(run: Path, tmp_path: Path) -> None:
    (run / "test").mkdir()
    (run / "test" / "metrics.json").write_text('{"accuracy": 0.25}')
    result = built(run, tmp_path / "out")
    assert any("metrics.json: passed over" in check.told for check in result.checks)
    assert "0.2500" not in (result.folder / "README.md").read_text(encoding="utf-8")


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'nothing'"):
        built("nothing", tmp_path / "out")
    with pytest.raises(WeightsError, match=r"the folder holds no model\.safetensors"):
        built(tmp_path, tmp_path / "out")
    assert not list(tmp_path.iterdir())


# Where to


def test_an_older_build_is_replaced_and_other_folders_are_not(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(run, out)
    built(run, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(AffectZooError, match=r"did not write: notes\.txt\. Name a new"):
        built(run, out)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    (out / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(AffectZooError, match="did not write"):
        built(run, out)
    empty = tmp_path / "empty"
    empty.mkdir()
    built(run, empty)
    with pytest.raises(AffectZooError, match="no folder"):
        built(run, out / "config.json")


@pytest.mark.parametrize("before", [False, True])
def test_an_interrupted_build_leaves_what_was_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    out = tmp_path / "out"
    if before:
        built(run, out)
    was = contents(tmp_path)

    def interrupted(meta: object, facts: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("affectzoo.hub.cards.card.render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        built(run, out, half=False)
    assert contents(tmp_path) == was


def test_what_a_killed_build_left_is_put_back(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(run, out)
    was = contents(tmp_path)
    out.rename(tmp_path / ".out.old")  # killed before the new one took its place
    (tmp_path / ".out.new").mkdir()
    (tmp_path / ".out.new" / "README.md").touch()
    with pytest.raises(AffectZooError):
        built(tmp_path / "no-such-run", out)
    built(run, out)
    assert contents(tmp_path) == was


def test_places_that_cannot_be_made_are_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for place, told in (("file/x", "cannot be made: Not a directory"), ("loop", "is no folder")):
        with pytest.raises(OutputError, match=f"/{place}: {told}"):
            built(run, tmp_path / place)


# The Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.tokens |= {WRITER: User("ada", orgs=("lab",)), READER: User("ada", orgs=("lab",), write=False)}
        hub.environment(monkeypatch, tmp_path / "home", WRITER)
        yield hub


@pytest.fixture(scope="module")
def whole_build(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectzoo.hub.cards.card.render", plain_card)
        return built(whole_run, tmp_path_factory.mktemp("build") / "net").folder


@pytest.fixture
def folder(whole_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_build, tmp_path / "out"))


def held(hub: FakeHub) -> dict[str, bytes]:
    files = hub.repos[REPO].at("main").files
    return {name: file.content for name, file in files.items() if name != ".gitattributes"}


def test_one_commit_and_then_none(hub: FakeHub, folder: Path) -> None:
    done = publish(folder, REPO, message="Weights")
    repo = hub.repos[REPO]
    assert (done.address, done.commit) == (f"{hub.endpoint}/{REPO}/commit/{repo.head}", repo.head)
    assert (len(repo.commits), repo.commits[repo.head].title) == (2, "Weights")
    assert held(hub) == contents(folder) and set(done.sent) == set(contents(folder))
    assert [name for name, file in repo.at("main").files.items() if file.lfs] == ["model.safetensors"]
    hub.log.clear()
    again = publish(folder, REPO)
    assert (again.commit, again.sent, again.deleted, len(repo.commits)) == (done.commit, (), (), 2)
    assert not hub.requests("PUT") and not hub.requests("POST", "*/commit/*")


def test_only_what_changed_is_sent_and_what_is_gone_is_deleted(
    hub: FakeHub, run: Path, tmp_path: Path
) -> None:
    folder = built(run, tmp_path / "out", half=False).folder
    (folder / "records" / "old.json").write_text("{}")
    publish(folder, REPO)
    hub.log.clear()
    folder = built(run, tmp_path / "out").folder
    done = publish(folder, REPO)
    assert {"config.json", "model.safetensors"} <= set(done.sent)
    assert done.deleted == ("records/old.json",)
    assert held(hub) == contents(folder)
    assert len(hub.requests("PUT")) == 1 and len(hub.requests("POST", "*/commit/*")) == 1


def test_it_is_loaded_from_there(hub: FakeHub, folder: Path, run: Path) -> None:
    done = publish(folder, REPO, tag="v1")
    for name in (f"hf-hub:{REPO}", f"hf-hub:{REPO}@v1", f"hf-hub:{REPO}@{done.commit}"):
        assert same(affectzoo.load(name), affectzoo.load(run))


def test_tags_name_a_commit_for_ever(hub: FakeHub, run: Path, folder: Path) -> None:
    done = publish(folder, REPO, tag="v1")
    repo = hub.repos[REPO]
    assert repo.tags == {"v1": done.commit}
    publish(folder, REPO, tag="v1")
    publish(folder, REPO, tag="v1.1")
    assert repo.tags == {"v1": done.commit, "v1.1": done.commit}
    built(run, folder, half=False)
    with pytest.raises(AffectZooError, match=rf"tag v1 of lab/net is commit {done.commit[:8]}, which others"):
        publish(folder, REPO, tag="v1")
    assert repo.head == done.commit
    with pytest.raises(AffectZooError, match="'a b' is no name for a tag"):
        publish(folder, REPO, tag="a b")
    hub.fail(500, path="*/tag/*")
    with pytest.raises(AffectZooError, match=r"/commit/\w+ is there, but without tag v2: the Hub failed"):
        publish(folder, REPO, tag="v2")
    assert repo.head != done.commit


def test_private_repositories(hub: FakeHub, folder: Path) -> None:
    publish(folder, REPO, private=True)
    assert hub.repos[REPO].private
    publish(folder, REPO)
    assert hub.repos[REPO].private
    hub.repos[REPO].private = False
    with pytest.raises(AffectZooError, match="lab/net is public: make it private there, or"):
        publish(folder, REPO, private=True)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"weights.bin": b"1", "LICENSE": b"2"},
            r"did not put there: LICENSE, weights\.bin\. Choose another",
        ),
        (
            {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"1"},
            "config.json, model.safetensors",
        ),
        ({"model.safetensors": b"1"}, r"put there: model\.safetensors\."),
        ({f"{i}.bin": b"" for i in range(10)}, "and 2 more"),
    ],
)
def test_a_repository_of_something_else_is_refused(
    hub: FakeHub, folder: Path, files: dict[str, bytes], message: str
) -> None:
    repo = hub.create(REPO, files)
    before = repo.head
    with pytest.raises(AffectZooError, match=message):
        publish(folder, REPO)
    assert repo.head == before


def test_a_repository_with_only_a_card_is_taken(hub: FakeHub, folder: Path) -> None:
    hub.create(REPO, {"README.md": b"---\nlicense: mit\n---\n"})
    publish(folder, REPO)
    assert held(hub) == contents(folder)


def test_who_may_publish(hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cases = {
        None: "lab/net: no token of the Hub: make one that may write",
        "hf_nobody": "lab/net: the Hub does not know the token: hf auth login",
        READER: "lab/net: the token may not write there",
    }
    for token, message in cases.items():
        hub.environment(monkeypatch, tmp_path / "home", token)
        with pytest.raises(AffectZooError, match=message):
            publish(folder, REPO)
    hub.create(REPO)
    with pytest.raises(AffectZooError, match="the token may not write there"):
        publish(folder, REPO)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (412, "lab/net: somebody committed meanwhile: look at what is there now"),
        (429, "asks for fewer requests: wait some minutes, then publish again"),
        (500, "the Hub failed, status 500: publish again, what the Hub has already is not sent twice"),
        (418, "the Hub refused, status 418"),
    ],
)
def test_a_commit_that_is_refused(hub: FakeHub, folder: Path, status: int, message: str) -> None:
    hub.fail(status, path="*/commit/*")
    with pytest.raises(AffectZooError, match=message):
        publish(folder, REPO)
    assert len(hub.repos[REPO].commits) == 1
    hub.heal()
    hub.log.clear()
    publish(folder, REPO)
    assert held(hub) == contents(folder)
    assert not hub.requests("PUT"), "the weights were there"


def test_a_commit_whose_answer_is_lost(hub: FakeHub, folder: Path) -> None:
    hub.cut(0, method="POST", path="*/commit/*", times=1)
    done = publish(folder, REPO)
    repo = hub.repos[REPO]
    assert (done.commit, len(repo.commits), held(hub)) == (repo.head, 2, contents(folder))


def test_an_upload_that_breaks_off(hub: FakeHub, folder: Path) -> None:
    hub.fail(403, method="PUT")
    with pytest.raises(
        AffectZooError, match=r"Error while uploading 'model\.safetensors'.*403.*publish again"
    ):
        publish(folder, REPO)
    hub.heal()
    hub.cut(0, method="PUT")
    with pytest.raises(AffectZooError, match=r"lab/net: .*: publish again"):
        publish(folder, REPO)
    assert len(hub.repos[REPO].commits) == 1
    hub.heal()
    publish(folder, REPO)
    assert held(hub) == contents(folder)


def test_no_hub(hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub.environment(monkeypatch, tmp_path / "home", WRITER, offline=True)
    with pytest.raises(AffectZooError, match="lab/net: HF_HUB_OFFLINE is set"):
        publish(folder, REPO)
    hub.environment(monkeypatch, tmp_path / "home", WRITER)
    hub.stop()
    with pytest.raises(AffectZooError, match="lab/net: the connection failed "):
        publish(folder, REPO)


def test_a_card_that_the_hub_refuses(hub: FakeHub, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: my-own\n---\n")
    with pytest.raises(AffectZooError, match=r'lab/net: the Hub refused: (.|\n)*"license" must be one of'):
        publish(folder, REPO)
    assert len(hub.repos[REPO].commits) == 1


def test_only_sound_folders_are_published(hub: FakeHub, folder: Path, tmp_path: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")
    with pytest.raises(AffectZooError, match=r"the weights are not those of config\.json: build it again"):
        publish(folder, REPO)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AffectZooError, match="the folder is empty"):
        publish(tmp_path / "empty", REPO)
    assert not hub.log


# The command


def words(run: Path, *more: str) -> list[str]:
    return ["publish", str(run), "--repo", REPO, "--license", *(f"{k}={v}" for k, v in TERMS.items()), *more]


def test_a_dry_run_needs_no_network(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with FakeHub() as hub:
        assert main(words(run, "--dry-run", "--out", str(out), "--full")) == 0
        assert not hub.log
    told = capsys.readouterr().out
    assert "nothing private" in told and "model.safetensors" in told
    assert f"nothing was uploaded (--dry-run); it is in {out}" in told.replace("\n", "")
    assert not weights.is_half(store.locate(out).path)
    assert main(words(run, "--dry-run")) == 0
    assert main(words(run, "--dry-run", "--tag", "with space")) == 1
    assert "not kept, --out DIR would keep it" in capsys.readouterr().out


def test_the_command_publishes(hub: FakeHub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(run, "--tag", "v1", "--private")) == 0
    told = capsys.readouterr().out
    repo = hub.repos[REPO]
    assert repo.private and repo.tags == {"v1": repo.head}
    assert f"published: {hub.endpoint}/{REPO}/commit/{repo.head}" in told
    assert 'affectzoo.load("hf-hub:lab/net@v1")' in told
    assert 'torch.hub.load("OWNER/affectzoo", "dlp_cnn_s", weights="hf-hub:lab/net@v1")' in told
    assert "affectzoo predict photo.jpg --model hf-hub:lab/net@v1" in told
    assert re.search(r"model\.safetensors .*2\.6 MiB .* new", told)
    assert main(words(run)) == 0
    told = capsys.readouterr().out
    assert f"nothing has changed, no new commit: {hub.endpoint}" in told
    assert f"hf-hub:lab/net@{repo.head}" in told and "as it was" in told
    assert len(repo.commits) == 2


def test_faults_of_the_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(run), "--repo", REPO, "--license", "MIT"]) == 1
    assert "--license MIT: expected SUBJECT=TERMS" in capsys.readouterr().err
    assert main(["publish", str(run), "--repo", REPO]) == 1
    assert "1 of 9 checks failed:\n  licenses: no terms of weights, code" in capsys.readouterr().err
    for wrong in (["--shard-size", "2GB"], ["--half", "--full"]):
        with pytest.raises(SystemExit, match="2"):
            main(words(run, *wrong))


def test_a_full_disk_is_told_of_the_folder(run: Path, tmp_path: Path, small_disk: None) -> None:
    out = tmp_path / "out"
    with pytest.raises(AffectZooError, match=f"{out}: cannot be written: File too large"):
        built(run, out)
    assert not out.exists() and not (tmp_path / ".out.new").exists()


def test_a_bad_tag_is_refused_before_anything_is_made(whole_build: Path, hub: FakeHub) -> None:
    hub.log.clear()
    with pytest.raises(AffectZooError, match="'bad tag' is no name for a tag"):
        publish(whole_build, REPO, tag="bad tag")
    assert not hub.requests("POST")


def test_a_record_cannot_be_written_elsewhere(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "records").mkdir(exist_ok=True)
    record = make_record(
        kind="zoo", model={"sha256": [fetch.sha256(run / "model.safetensors")], "training": {}}
    )
    record["protocol"]["name"] = "../../../x"
    (run / "records" / "r.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(AffectZooError, match=r"protocol\.name \(String should match"):
        build(run, tmp_path / "out", repo=REPO, license=TERMS)
    assert not list(tmp_path.rglob("x-*.json"))
