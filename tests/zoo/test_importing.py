"""Users' own checkpoints: read without running anything, placed completely or not at all; same outputs."""

from __future__ import annotations

import argparse
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import timm
import torch
import torchvision
from fakes.model_tester import randomise
from fakes.pickled import Evil
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

import affectzoo
from affectzoo import weights
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, LabelError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files import fetch
from affectzoo.models import AffectModel, DLPCNNSmall
from affectzoo.modules import lightning_module
from affectzoo.zoo.importing.checkpoint import import_checkpoint
from affectzoo.zoo.importing.placing import parse_mapping, place
from affectzoo.zoo.importing.report import ImportReport

LABELS = ["calm", "tense", "glad"]
SMALL = "dlp_cnn_s"
Tensors = dict[str, torch.Tensor]
NAMES = {f"conv{i}": f"trunk.conv.{n}" for i, n in enumerate((0, 4, 8, 11, 15, 18))}
NAMES |= {f"norm{i}": f"trunk.conv.{n}" for i, n in enumerate((1, 5, 9, 12, 16, 19))}
NAMES |= {"embed": "trunk.fc", "classify": "heads.expression"}
"""What OldNet's names are in the zoo."""


class OldNet(nn.Module):
    """dlp_cnn_s as somebody else wrote it: other names, the same layers in the same order."""

    def __init__(self, outputs: int = len(LABELS)) -> None:
        super().__init__()
        channels = (1, 64, 96, 128, 128, 256, 256)
        for i in range(6):
            self.add_module(f"conv{i}", nn.Conv2d(channels[i], channels[i + 1], 3, padding=1, bias=False))
            self.add_module(f"norm{i}", nn.BatchNorm2d(channels[i + 1]))
        self.embed = nn.Linear(256, 512)
        self.classify = nn.Linear(512, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(6):
            x = getattr(self, f"norm{i}")(getattr(self, f"conv{i}")(x)).relu()
            if i in (0, 1, 3):
                x = nn.functional.max_pool2d(x, 2)
        logits: torch.Tensor = self.classify(self.embed(x.mean(dim=(2, 3))).relu())
        return logits


@pytest.fixture(scope="module")
def model() -> AffectModel:
    torch.manual_seed(0)
    built = randomise(DLPCNNSmall(labels=LABELS))
    return built.eval()


@pytest.fixture
def state(model: AffectModel) -> Tensors:
    return {name: tensor.clone() for name, tensor in model.network_state().items()}


@pytest.fixture(scope="module")
def old() -> OldNet:
    torch.manual_seed(1)
    return OldNet().eval()


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(2)
    network: nn.Module = torchvision.models.resnet18(num_classes=3).eval()
    return network


FACE = torch.randn(2, 1, 48, 48, generator=torch.Generator().manual_seed(3))


def save(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def small(path: Path, **options: Any) -> ImportReport:
    return import_checkpoint(path, SMALL, **{"labels": LABELS, **options})


@torch.no_grad()
def scores(model: AffectModel | None, face: torch.Tensor = FACE) -> torch.Tensor:
    assert model is not None
    found = model(face).expression
    assert found is not None
    return found


# Reading


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_does_not_run(zipped: bool, tmp_path: Path, state: Tensors) -> None:
    mark = tmp_path / "ran"
    content = {"state_dict": state, "hidden": Evil(f"touch '{mark}'")}
    path = save(tmp_path / "evil.pt", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"refused: it wants posix\.system; .* Nothing in it was run"):
        small(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # the trap was set


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
        ({"state_dict": {}, "args": argparse.Namespace(lr=1)}, r"argparse\.Namespace"),
        ({"state_dict": {}, "best": np.float64(0.5)}, r"numpy\.\S*scalar"),
    ],
)
def test_objects_are_named_and_the_way_out_is_said(thing: Any, named: str, tmp_path: Path) -> None:
    path = save(tmp_path / "whole.pt", thing)
    with pytest.raises(WeightsError, match=rf"wants {named}; .*torch\.save\(model\.state_dict\(\)"):
        small(path)


def test_a_bare_pickle_and_a_text_are_refused(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps(Evil(f"touch '{mark}'")))
    with pytest.raises(WeightsError, match="refused"):
        small(path)
    assert not mark.exists()
    path.write_text("hello, hello, hello")
    with pytest.raises(WeightsError, match="no complete PyTorch file"):
        small(path)


def test_files_that_are_damaged_missing_or_something_else(tmp_path: Path, state: Tensors) -> None:
    path = save(tmp_path / "net.pt", state)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="no complete PyTorch file"):
        small(path)
    with pytest.raises(WeightsError, match="no such file"):
        small(tmp_path / "none.pt")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(WeightsError, match="TorchScript archive, which is code"):
        small(path)
    with pytest.raises(WeightsError, match="holds a list, not a state dict"):
        small(save(path, [1, 2]))
    with pytest.raises(WeightsError, match="holds no tensors by name, only epoch, optimizer"):
        small(save(path, {"epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}))
    with pytest.raises(WeightsError, match="holds several networks: student, teacher"):
        small(save(path, {"student": state, "teacher": state}))
    cut = tmp_path / "net.safetensors"
    save_file(state, cut)
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="no complete safetensors file"):
        small(cut)


def test_a_packed_archive_cannot_fill_the_memory(tmp_path: Path, state: Tensors) -> None:
    path = save(tmp_path / "net.pt", {"state_dict": state, "zeros": torch.zeros(10**6)})
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    with pytest.raises(WeightsError, match="bytes once unpacked; torch packs nothing"):
        small(packed)


def test_a_small_file_cannot_claim_a_large_tensor(tmp_path: Path, state: Tensors) -> None:
    state["heads.expression.weight"] = torch.ones(1, 1).expand(10**6, 10**6)
    report = small(save(tmp_path / "net.pt", state))
    assert [(p.old, p.shape) for p in report.misshapen] == [("heads.expression.weight", (10**6, 10**6))]


@pytest.mark.parametrize(
    "odd",
    [torch.ones(512).to_sparse(), torch.ones(512, dtype=torch.complex64), torch.empty(512, device="meta")],
)
def test_only_plain_tensors(odd: torch.Tensor, tmp_path: Path, state: Tensors) -> None:
    with pytest.raises(WeightsError, match=r"trunk\.fc\.bias is no plain tensor of numbers"):
        small(save(tmp_path / "net.pt", {**state, "trunk.fc.bias": odd}))


def test_values_must_be_finite_numbers_of_the_right_kind(tmp_path: Path, state: Tensors) -> None:
    bad = {**state, "trunk.fc.bias": torch.full((512,), torch.nan)}
    with pytest.raises(WeightsError, match=r"trunk\.fc\.bias holds values that are not finite"):
        small(save(tmp_path / "net.pt", bad))
    bad["trunk.fc.bias"] = torch.tensor([-torch.inf, *torch.ones(511)])
    with pytest.raises(WeightsError, match=r"trunk\.fc\.bias holds values that are not finite"):
        small(save(tmp_path / "net.pt", bad))
    bad["trunk.fc.bias"] = torch.ones(512, dtype=torch.int8)
    with pytest.raises(WeightsError, match=r"trunk\.fc\.bias holds torch\.int8"):
        small(save(tmp_path / "net.pt", bad))


# Placing


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "net"])
@pytest.mark.parametrize("parallel", [False, True])
def test_wrapped_state_dicts(
    wrapper: str | None, parallel: bool, tmp_path: Path, model: AffectModel, state: Tensors
) -> None:
    named = {f"module.{name}" if parallel else name: tensor for name, tensor in state.items()}
    beside = {"epoch": 3, "best_acc1": torch.tensor(0.5), "optimizer": {"state": {}}}
    report = small(save(tmp_path / "net.pth.tar", named if wrapper is None else {wrapper: named, **beside}))
    assert report.faults == []
    assert report.left_out == (() if wrapper is None else ("epoch", "best_acc1", "optimizer"))
    assert torch.equal(scores(report.model), scores(model))


def test_twice_wrapped_with_names_of_other_modules(
    tmp_path: Path, model: AffectModel, state: Tensors
) -> None:
    renamed = {
        name.replace("trunk.", "module.encoder.").replace("heads.expression.", "module.head."): tensor
        for name, tensor in state.items()
    }
    report = small(save(tmp_path / "net.bin", {"model": {"state_dict": renamed}}))
    assert report.faults == []
    assert torch.equal(scores(report.model), scores(model))


def test_nothing_is_placed_by_order_or_shape(tmp_path: Path, old: OldNet) -> None:
    report = small(save(tmp_path / "old.pt", old.state_dict()))
    assert report.model is None and len(report.missing) == len(report.unexpected) == 40


@pytest.mark.parametrize("form", ["pt", "safetensors"])
@pytest.mark.parametrize("parallel", [False, True])
def test_a_mapping(form: str, parallel: bool, tmp_path: Path, old: OldNet) -> None:
    path = tmp_path / f"old.{form}"
    tensors = {**old.state_dict(), "criterion.weight": torch.ones(3)}
    tensors = {f"module.{name}" if parallel else name: tensor for name, tensor in tensors.items()}
    (save_file if form == "safetensors" else torch.save)(tensors, path)
    file = tmp_path / "names.yaml"
    file.write_text("".join(f"{name}: {new}\n" for name, new in {**NAMES, "criterion": "null"}.items()))
    report = small(path, mapping=parse_mapping([str(file)]))
    assert report.faults == []
    assert report.left_out == ("module.criterion.weight" if parallel else "criterion.weight",)
    with torch.no_grad():
        assert torch.allclose(scores(report.model), old(FACE), atol=1e-5)


def test_beginnings() -> None:
    def new(name: str, mapping: str) -> str | None:
        found = place([name], {"trunk.conv.0.weight", "trunk.fc.bias"}, parse_mapping([mapping]), SMALL)
        return found[name]

    assert new("features.0.weight", "features=trunk.conv") == "trunk.conv.0.weight"
    assert new("features.0.weight", "features.=trunk.conv.") == "trunk.conv.0.weight"
    assert new("0.weight", "=trunk.conv") == "trunk.conv.0.weight"
    assert new("other.trunk.fc.bias", "other=") == "trunk.fc.bias"
    assert new("fc.weight", "fc=-") is None


def test_a_beginning_ends_at_a_dot_and_the_longest_counts(tmp_path: Path, state: Tensors) -> None:
    renamed = {
        name.replace("trunk.fc.", "fc2.").replace("heads.expression", "fc"): t for name, t in state.items()
    }
    mapping = {"fc": "heads.expression", "fc2": "trunk.fc"}
    assert small(save(tmp_path / "net.pt", renamed), mapping=mapping).faults == []
    renamed = {
        name.replace("trunk.fc.", "a.b.").replace("heads.expression", "a"): t for name, t in state.items()
    }
    mapping = {"a": "heads.expression", "a.b": "trunk.fc"}
    assert small(save(tmp_path / "net.pt", renamed), mapping=mapping).faults == []


def test_faulty_mappings_are_told(tmp_path: Path, state: Tensors) -> None:
    path = save(tmp_path / "net.pt", {**state, "aux.weight": torch.ones(3), "aux.bias": torch.ones(3)})
    for mapping, told in (
        ({"aux": "trunk.aux"}, r"aux\.weight .*trunk\.aux\.weight.* dlp_cnn_s"),
        ({"aux": "trunk.fc"}, r"aux\.weight .*trunk\.fc\.weight is already"),
        ({"axu": None}, "--map axu"),
    ):
        with pytest.raises(WeightsError, match=told):
            small(path, mapping=mapping)
    file = tmp_path / "names.yaml"
    for text in ("- a", "1: b", "a: [b]", "a: 'b", "a: !!python/object/apply:os.system ['true']"):
        file.write_text(text)
        with pytest.raises(AffectZooError, match=r"names\.yaml"):
            parse_mapping([str(file)])


def test_two_tensors_of_one_place_are_told(tmp_path: Path, state: Tensors) -> None:
    report = small(save(tmp_path / "net.pt", {**state, "fc.weight": torch.ones(512, 256)}))
    assert report.faults == ["unexpected: fc.weight (512, 256)"]


def test_what_does_not_fit_is_listed(tmp_path: Path, state: Tensors) -> None:
    state["extra.weight"] = torch.ones(2)
    del state["trunk.fc.bias"]
    state["trunk.conv.0.weight"] = torch.ones(64, 3, 3, 3)
    report = small(save(tmp_path / "net.pt", state))
    assert report.faults == [
        "wrong shape: trunk.conv.0.weight is (64, 3, 3, 3), trunk.conv.0.weight is (64, 1, 3, 3)",
        "missing: trunk.fc.bias (512,)",
        "unexpected: extra.weight (2,)",
    ]
    out = tmp_path / "out.safetensors"
    with pytest.raises(
        WeightsError, match="38 of dlp_cnn_s's 40 tensors fit, 1 missing, 1 unexpected, 1 of wrong"
    ):
        report.write(out)
    assert not out.exists()


@pytest.mark.parametrize("name", ["heads.expression", "module.classifier.6"])
def test_a_wrong_number_of_labels(name: str, tmp_path: Path, state: Tensors) -> None:
    renamed = {key.replace("heads.expression", name): tensor for key, tensor in state.items()}
    report = small(save(tmp_path / "net.pt", renamed), labels=["a", "b", "c", "d"])
    assert report.faults[0] == (
        f"wrong shape: {name}.weight is (3, 512), heads.expression.weight is (4, 512): 3 outputs for 4 labels"
    )
    assert len(report.faults) == 2  # its bias


def test_a_wrong_architecture(tmp_path: Path, resnet: nn.Module) -> None:
    path = save(tmp_path / "net.pt", resnet.state_dict())
    report = import_checkpoint(path, "resnet50", labels=LABELS)
    assert report.model is None and report.misshapen and report.missing


def test_two_heads_are_named_by_the_user(tmp_path: Path, state: Tensors) -> None:
    renamed = {name.replace("heads.expression", "fc"): tensor for name, tensor in state.items()}
    both = {**renamed, "head.weight": torch.ones(2, 512), "head.bias": torch.ones(2)}
    path = save(tmp_path / "net.pt", {n.replace("trunk.fc", "embed"): t for n, t in both.items()})
    mapping = {"embed": "trunk.fc", "fc": "heads.expression"}
    assert small(path, task="multitask", mapping=mapping).model is None
    report = small(path, task="multitask", mapping={**mapping, "head": "heads.va"})
    assert report.faults == []
    assert "Of the two values, the first is taken for valence, the second for arousal." in report.notes


def test_labels_are_never_reordered(tmp_path: Path, state: Tensors) -> None:
    state["heads.expression.weight"] = torch.randn(7, 512)
    state["heads.expression.bias"] = torch.arange(7.0)
    path = save(tmp_path / "net.pt", state)
    order = ["neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"]
    report = small(path, labels=order)
    assert report.meta.labels == tuple(order)
    assert "The labels are those of affectnet7 in another order, which is kept." in report.notes
    assert report.model is not None
    assert torch.equal(report.model.heads["expression"].bias, torch.arange(7.0))
    assert not any("another order" in note for note in small(path, labels="fer2013").notes)


def test_batch_norm_of_old_checkpoints(tmp_path: Path, old: OldNet) -> None:
    before = {name: t for name, t in old.state_dict().items() if "num_batches" not in name}
    report = small(save(tmp_path / "old.pt", before, _use_new_zipfile_serialization=False), mapping=NAMES)
    assert report.faults == []
    assert any("counts of batches" in note for note in report.notes)


# Networks of libraries


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize("form", ["pt", "safetensors"])
def test_resnet18_of_a_library(library: str, form: str, tmp_path: Path, resnet: nn.Module) -> None:
    network = resnet if library == "torchvision" else timm.create_model("resnet18", num_classes=3).eval()
    path = tmp_path / f"net.{form}"
    (save_file if form == "safetensors" else torch.save)(network.state_dict(), path)
    report = import_checkpoint(path, "resnet18", labels=LABELS)
    assert report.faults == []
    picture = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(scores(report.model, picture), network(picture), atol=1e-4)


@pytest.mark.parametrize(
    ("library", "arch"),
    [
        ("torchvision", "resnet50"),
        pytest.param("torchvision", "resnet152", marks=pytest.mark.slow),
        ("torchvision", "vgg16"),
        ("torchvision", "vgg11_bn"),
        ("timm", "vgg11_bn"),
    ],
)
def test_networks_of_libraries(library: str, arch: str, tmp_path: Path) -> None:
    build = torchvision.models.get_model if library == "torchvision" else timm.create_model
    with torch.device("meta"):
        network = build(arch, num_classes=2)
    tensors = thin(network)
    arguments = {"head_units": []} if arch.startswith("resnet") else {}
    tiny = Preprocess(size=32)
    path = save(tmp_path / "net.pt", tensors)
    report = import_checkpoint(path, arch, task="va", arguments=arguments, preprocess=tiny)
    assert report.faults == [] and report.model is not None
    network.load_state_dict(tensors, assign=True)
    picture = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(report.model(picture).va, network.eval()(picture), rtol=1e-4)


def thin(network: nn.Module) -> Tensors:
    """A state dict for a network without memory: each output's weights are the same, and take no space."""
    tensors = {}
    for name, tensor in network.state_dict().items():
        values = torch.rand(tensor.shape[:1]) / max(1, tensor[0].numel() if tensor.ndim else 1)
        values = values.view([-1] + [1] * (tensor.ndim - 1)) if tensor.ndim > 1 else values + 0.5
        tensors[name] = values.to(tensor.dtype).expand(tensor.shape)
    return tensors


def test_a_head_of_several_layers(tmp_path: Path, resnet: nn.Module) -> None:
    tensors = {f"backbone.{name}": t for name, t in resnet.state_dict().items() if not name.startswith("fc.")}
    tensors |= {"head.0.weight": torch.randn(16, 512), "head.0.bias": torch.zeros(16)}
    tensors |= {"head.3.weight": torch.randn(3, 16), "head.3.bias": torch.zeros(3)}
    path = save(tmp_path / "net.pt", tensors)
    mapping = {"head.0": "trunk.fc.0", "head.3": "heads.expression"}
    report = import_checkpoint(
        path, "resnet18", labels=LABELS, arguments={"head_units": [16]}, mapping=mapping
    )
    assert report.faults == []


# Lightning


class Others(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters({"lr": 0.1})
        self.net = OldNet()
        self.register_buffer("class_weights", torch.ones(3))

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(batch["image"]), batch["label"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


def train(network: pl.LightningModule, path: Path) -> Path:
    """Save a Lightning checkpoint after one step."""
    faces = [{"image": FACE[i], "label": i, "target": torch.eye(3)[i], "index": i} for i in range(2)]
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", enable_model_summary=False, **quiet)
    trainer.fit(network, DataLoader(faces, batch_size=2))
    trainer.save_checkpoint(path)
    return path


def test_lightning_checkpoint_of_others(tmp_path: Path) -> None:
    path = train(Others(), tmp_path / "last.ckpt")
    assert torch.load(path, weights_only=True)["optimizer_states"][0]["state"]
    assert "unexpected: class_weights (3,)" in small(path, mapping=NAMES).faults
    report = small(path, mapping={**NAMES, "class_weights": None})
    assert report.faults == []
    assert {"optimizer_states", "hyper_parameters", "class_weights"} <= set(report.left_out)


def test_lightning_checkpoint_of_affectzoo_needs_no_options(tmp_path: Path) -> None:
    prepared = Preprocess(size=40, resize=48, color="gray", margin=0.2)
    trained = DLPCNNSmall(labels=LABELS, dropout=0.25, preprocess=prepared)
    path = train(lightning_module(trained), tmp_path / "last.ckpt")
    report = import_checkpoint(path)
    assert report.faults == []
    assert report.meta.labels == tuple(LABELS)
    assert report.meta.arguments == {"dropout": 0.25}
    assert report.meta.preprocess == prepared
    assert "optimizer_states" in report.left_out and "affectzoo" not in report.left_out
    assert report.notes == (
        "Faces are prepared as the checkpoint says: a square on the face box's longer edge, 20% larger; "
        "gray, 40 x 40 pixels, the middle of 48 x 48; values 0 to 1, less mean 0.5, by std 0.5.",
    )
    assert torch.allclose(scores(report.model), scores(trained.eval()), atol=1e-5)
    with pytest.raises(WeightsError, match="says that it is dlp_cnn_s for calm, tense, glad; exclude labels"):
        import_checkpoint(path, labels=LABELS)
    with pytest.raises(WeightsError, match="exclude arch resnet18"):
        import_checkpoint(path, "resnet18")
    content = torch.load(path, weights_only=True)
    early = {**content, "state_dict": {f"network.{name}": t for name, t in content["state_dict"].items()}}
    assert import_checkpoint(save(path, early)).faults == []
    content["affectzoo"]["arguments"]["weights"] = "other.safetensors"
    with pytest.raises(AffectZooError, match="dlp_cnn_s has no argument weights"):
        import_checkpoint(save(path, content))


# Options


def test_options_that_are_wrong(tmp_path: Path, state: Tensors) -> None:
    path = save(tmp_path / "net.pt", state)
    with pytest.raises(AffectZooError, match="name that, such as --arch"):
        import_checkpoint(path)
    with pytest.raises(AffectZooError, match="did you mean dlp_cnn"):
        import_checkpoint(path, "dlp_cn", labels=LABELS)
    with pytest.raises(LabelError, match="name what the outputs mean, in their order: --labels"):
        small(path, labels=None)
    with pytest.raises(AffectZooError, match=r"dlp_cnn_s has no argument weights .*; it may set: dropout"):
        small(path, arguments={"weights": "x.pt"})
    with pytest.raises(AffectZooError, match=r"pixels.*weights, code"):
        small(path, license={"pixels": "none"})
    with pytest.raises(AffectZooError, match="dlp_cnn_s cannot take 3 x 48 x 48 faces"):
        small(path, preprocess=Preprocess(size=48))
    with pytest.raises(AffectZooError, match="cannot be built with"):
        small(path, arguments={"dropout": 7})


# Writing


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_values_are_kept(kind: torch.dtype, tmp_path: Path, old: OldNet) -> None:
    tensors = {n: t.to(kind) if t.is_floating_point() else t for n, t in old.state_dict().items()}
    out = small(save(tmp_path / "old.pt", tensors), mapping=NAMES).write(tmp_path / "new" / "old.safetensors")
    assert weights.is_half(out) == (kind == torch.float16)
    assert len(weights.read_golden(out)) == 4  # image, box, features, expression
    loaded = affectzoo.load(out).network_state()
    expected = tensors["classify.weight"].float()
    assert torch.equal(loaded["heads.expression.weight"], expected)
    assert sorted(path.name for path in out.parent.iterdir()) == ["old.safetensors"]


def test_what_the_file_says(tmp_path: Path, old: OldNet) -> None:
    path = save(tmp_path / "old.pt", old.state_dict())
    out = tmp_path / "net.safetensors"
    small(path, license={"weights": "MIT"}, mapping=NAMES).write(out)
    meta = weights.read_meta(out)
    notes = {"imported_from": "old.pt", "sha256": fetch.sha256(path)}
    assert meta.training == weights.Training(notes=notes)
    assert meta.license == {"weights": "MIT"}
    assert (meta.arch, meta.labels, meta.metrics) == (SMALL, tuple(LABELS), ())
    assert meta.preprocess == DLPCNNSmall.default_preprocess
    assert str(tmp_path) not in json.dumps(meta.to_dict())
    with pytest.raises(WeightsError, match="in the zoo's format already"):
        small(out)


def test_foreign_files_are_not_replaced(tmp_path: Path, old: OldNet) -> None:
    report = small(save(tmp_path / "old.pt", old.state_dict()), mapping=NAMES)
    out = tmp_path / "net.safetensors"
    save_file({"theirs": torch.ones(2)}, out)
    before = out.read_bytes()
    with pytest.raises(WeightsError, match="exists, and affectzoo did not write it"):
        report.write(out)
    assert out.read_bytes() == before
    out.unlink()
    report.write(out)
    report.write(out)  # its own
    with pytest.raises(WeightsError, match=r"written as \.safetensors"):
        report.write(tmp_path / "net.pt")


# The command


def run(*arguments: object) -> int:
    return main(["import", *map(str, arguments)])


def test_command(tmp_path: Path, old: OldNet, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = save(tmp_path / "old.pt", old.state_dict()), tmp_path / "net.safetensors"
    names = [f"{name}={new}" for name, new in NAMES.items()]
    given = [path, "--arch", SMALL, "--labels", "calm, tense,glad", "--out", out, "--map", *names]
    assert run(*given, "--dry-run") == 0
    shown = capsys.readouterr()
    assert not out.exists()
    assert "classify.weight" in shown.out and "heads.expression.weight" in shown.out
    assert "3 x 512" in shown.out
    assert (
        "Faces are prepared as dlp_cnn_s's own, for the checkpoint does not say it: a square on the face "
        "box's longer edge; gray, 48 x 48 pixels; values 0 to 1, less mean 0.5, by std 0.25." in shown.out
    )
    assert shown.err == "old.pt: 40 tensors; nothing written (--dry-run)\n"
    options = [
        "--preprocess",
        "mean=0.4",
        "margin=0.1",
        "--set",
        "dropout=0.2",
        "--license",
        "weights=CC BY 4.0",
    ]
    assert run(*given, *options, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["complete"] is True
    meta = weights.read_meta(out)
    assert meta.labels == tuple(LABELS)
    assert meta.arguments == {"dropout": 0.2}
    assert (meta.preprocess.mean, meta.preprocess.std, meta.preprocess.margin) == ((0.4,), (0.25,), 0.1)
    assert meta.license == {"weights": "CC BY 4.0"}
    assert main(["predict", str(tmp_path / "none.png"), "--model", str(out)]) == 1  # loads; no image


def test_command_that_finds_faults(
    tmp_path: Path, resnet: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = save(tmp_path / "net.pt", resnet.state_dict()), tmp_path / "net.safetensors"
    for extra in ([], ["--dry-run"], ["--json"]):
        assert run(path, "--arch", "resnet50", "--task", "va", "--out", out, *extra) == 1
        shown = capsys.readouterr()
        assert shown.err.startswith(f"affectzoo: {path}: not imported: ") and "of wrong shape" in shown.err
        assert not out.exists()
    report = json.loads(shown.out)
    assert report["missing"] and report["misshapen"] and not report["complete"]


def test_command_with_a_mapping(tmp_path: Path, old: OldNet, capsys: pytest.CaptureFixture[str]) -> None:
    path, names = tmp_path / "old.safetensors", tmp_path / "names.yaml"
    save_file({**old.state_dict(), "aux.weight": torch.ones(3)}, path)
    names.write_text("".join(f"{name}: {new}\n" for name, new in NAMES.items() if name != "classify"))
    given = [path, "--arch", SMALL, "--labels", "calm,tense,glad", "--out", tmp_path / "net.safetensors"]
    assert run(*given, "--map", names, "aux=-", "classify=heads.expression", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == ["aux.weight"]
    for option, told in (
        (["--set", "dropout"], "--set dropout: expected the form --set KEY=VALUE"),
        (["--preprocess", "mean=[1"], "--preprocess mean=[1: no YAML"),
        (["--preprocess", "sise=3"], "fields are color, margin"),
        (["--preprocess", "size=big"], "preprocess: size big and resize None must be whole numbers"),
    ):
        assert run(*given, *option) == 1
        assert told in capsys.readouterr().err
    assert run(path, "--preprocess", "size=9", "--out", tmp_path / "net.safetensors") == 1
    assert "name that, too: --arch" in capsys.readouterr().err
