"""What a benchmark measures: anything that answers for faces, named by one text.

=======================  =====================================================================================
``dlp_cnn_s.ferplus``    a model of the zoo; so are a run's folder and a weights file
``runs/x/fold_{fold}``   a model for each fold
``face.onnx``            a file of ``affectzoo export``, by ONNX Runtime
``MODEL+svm``            a model's features with a classifier fitted on the protocol's training part: ``svm``
                         (linear, one against one), ``lda`` (LDA, then the nearest face), ``svr`` (values)
``MODEL#LAYER+svm``      the same of a layer; ``affectzoo features MODEL --layer list`` names them
``hog+svm``              hand-crafted features: ``hog``, ``hog256``, ``lbp``, ``gabor``, ``shape``
a file                   another system's predictions (``--predictions``)
=======================  =====================================================================================
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch

from affectzoo import store, weights
from affectzoo.benchmark.cost import cost, timed
from affectzoo.benchmark.external import read_predictions
from affectzoo.benchmark.features.classical import FEATURES
from affectzoo.benchmark.features.classifiers import CLASSIFIERS, REGRESSORS, classifier
from affectzoo.benchmark.features.deep import Layer
from affectzoo.benchmark.features.extraction import Extractor
from affectzoo.benchmark.features.scaling import PCA_FACES, WIDE, WIDE_SHARE, Reduction, learn_scaling, scaled
from affectzoo.benchmark.folds import Fold
from affectzoo.datasets.ids import OWN, data_sets, ids, shared, split_hash, told_apart
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, LabelError, WeightsError
from affectzoo.evaluation import protocols
from affectzoo.evaluation.evaluate import Pass, Progress, predict_index, span
from affectzoo.evaluation.measurement import epoch_facts, model_answers, weights_facts
from affectzoo.evaluation.predictions import Answers
from affectzoo.export.onnx_model import SUFFIX
from affectzoo.files import fetch
from affectzoo.labels import LabelSpace, unmapped
from affectzoo.metrics.names import DIMENSIONS
from affectzoo.tasks.heads import dimensions
from affectzoo.zoo.loading import load

if TYPE_CHECKING:
    from affectzoo.metrics.predictions import Predicted
    from affectzoo.models.base import AffectModel
    from affectzoo.tasks.heads import TaskName
    from affectzoo.weights import WeightsMeta

Kind = Literal["zoo", "features", "classical", "external"]


@dataclass(frozen=True)
class Measured:
    """What came of asking a system about the test faces of a fold.

    Attributes:
        answers: Of all of them.
        cost: Of one answer, see ``cost``; ``None`` where it was not measured.
        fit: Of classifiers what they were fitted on: ``faces``, ``without_features`` (unreadable, or without
            landmarks), ``dimensions``, and ``pca``, the share of the variance that was kept, or ``None``.
        remarks: What readers should know of how it answered.
    """

    answers: Answers
    cost: dict[str, Any] | None = None
    fit: dict[str, Any] | None = None
    remarks: tuple[str, ...] = ()


class System(ABC):
    """What answers for faces.

    Attributes:
        kind: See ``Kind``.
        name: What people call it; runs of one recipe with several seeds share a name.
        spec: What was typed.
        learns: Whether it is fitted on the protocol's training part.
    """

    kind: Kind
    learns = False

    def __init__(self, name: str, spec: str) -> None:
        """Take name and text."""
        self.name = name
        self.spec = spec

    @abstractmethod
    def misfit(self, protocol: protocols.Protocol) -> str | None:
        """Return why it cannot answer under a protocol, else ``None``."""

    @abstractmethod
    def identity(self, protocol: protocols.Protocol) -> list[str]:
        """What its answers depend on beside the faces: names and sums of files."""

    @abstractmethod
    def answer(self, fold: Fold, *, measure: bool, progress: Progress | None = None) -> Measured:
        """Its answers for the fold's test faces.

        Args:
            fold: The faces.
            measure: Whether to measure the cost.
            progress: Told which share of the work is done.

        Raises:
            LabelError: It lacks a class that the faces have.
            WeightsError: It has seen the faces in training.
        """

    @abstractmethod
    def facts(self, fold: Fold) -> dict[str, Any]:
        """What a record says of it: ``epoch`` and, of models, ``model``, ``mapping``, ``claimed``."""


class Weights:
    """Weights of the zoo: one file, or one per fold."""

    def __init__(self, spec: str) -> None:
        """Take what ``affectzoo.load`` takes; ``{fold}`` in it becomes the fold's number."""
        self.spec = spec
        self.by_fold = "{fold}" in spec

    def name(self, number: int | None) -> str:
        """A fold's weights, as ``affectzoo.load`` takes them."""
        return self.spec.replace("{fold}", str(number or 0))

    def meta(self, number: int | None = None) -> WeightsMeta:
        """What they say of themselves."""
        return weights.read_meta(store.locate(self.name(number)).path)

    def sums(self, protocol: protocols.Protocol) -> list[str]:
        """What each fold's weights are known by: the sha256 of their file."""
        numbers = range(protocol.folds if self.by_fold else 1)
        return [fetch.sha256(store.locate(self.name(number)).path) for number in numbers]

    def misfit(self, protocol: protocols.Protocol) -> str | None:
        """Return why they are not to be tested under a protocol, else ``None``."""
        if self.by_fold and protocol.folds == 1:
            return f"{self.spec} names a model for each fold, and {protocol.name} has no folds"
        own = protocol.test.dataset
        if self.by_fold or own not in data_sets(self.meta().training.data) or own in OWN:
            return None
        if protocol.folds > 1:
            return (
                f"{self.spec} was trained on {own}, all of which {protocol.name} tests on, fold by fold: "
                "name each fold's own model, such as runs/NAME/fold_{fold} of affectzoo cross-validate"
            )
        if protocol.test.split in (None, "train"):
            return f"{self.spec} was trained on faces of {own} that {protocol.name} tests on"
        return None

    def check(self, fold: Fold) -> None:
        """Refuse weights that have seen the faces.

        Raises:
            WeightsError: They were trained on them, or for another fold.
        """
        name, training = self.name(fold.number), self.meta(fold.number).training
        if fold.test.dataset not in data_sets(training.data):
            return
        known = training.train_sketch or ""
        if training.train_hash == fold.hash and not (known and fold.test.dataset in OWN):
            raise WeightsError(f"{name} was trained on the very faces that {fold.protocol.name} tests on")
        if seen := shared(known, told_apart(fold.test)):
            raise WeightsError(
                f"{name} was trained on faces that {fold.protocol.name} tests on: {len(seen)} or more of "
                f"{len(fold.test)}, such as {seen[0]}"
            )
        own, asked = (training.fold, training.folds), fold.place
        if None not in own and None not in asked and own != asked:
            raise WeightsError(
                f"{name} was trained for fold {own[0]} of {own[1]}, not for fold {asked[0]} of {asked[1]}: "
                "it has seen faces of that test part"
            )

    def facts(self, fold: Fold) -> dict[str, Any]:
        """``model`` and ``epoch`` of a record."""
        meta = self.meta(fold.number)
        training, on_protocol = meta.training, None
        theirs, ours = training.train_hash, fold.parts.get("train")
        if training.data == fold.test.dataset and theirs is not None and ours is not None:
            on_protocol = theirs == split_hash(ids(ours))
        return {
            "model": weights_facts(
                meta,
                self.sums(fold.protocol),
                None if self.by_fold else self._fingerprint(fold),
                on_protocol,
            ),
            "epoch": epoch_facts(training, fold.test.dataset, fold.hash, fold.protocol.test.split == "test"),
        }

    def _fingerprint(self, fold: Fold) -> str | None:
        """Of the tensors, where they are known."""
        return weights.fingerprint(weights.read_tensors(store.locate(self.name(fold.number)).path))


class ZooSystem(System):
    """A model of the zoo as it is."""

    kind: Kind = "zoo"
    remarks: tuple[str, ...] = ()

    def __init__(self, name: str, spec: str, batch_size: int = 64) -> None:
        """Take name, text, and faces (or windows) per forward pass."""
        super().__init__(name, spec)
        self.weights = Weights(spec)
        self.batch_size = batch_size

    def misfit(self, protocol: protocols.Protocol) -> str | None:
        """See ``System``."""
        meta = self.weights.meta()
        values = bool(dimensions(cast("TaskName", meta.task)))
        able = {"expression": bool(meta.labels), "va": values, "multitask": bool(meta.labels) or values}
        if not able[protocol.task]:
            about = {"expression": "classes", "va": "valence and arousal"}.get(protocol.task, "affect")
            return f"{self.spec} is a model for {meta.task}, and {protocol.name} is about {about}"
        return self.weights.misfit(protocol)

    def identity(self, protocol: protocols.Protocol) -> list[str]:
        """See ``System``."""
        return self.weights.sums(protocol)

    def answer(self, fold: Fold, *, measure: bool, progress: Progress | None = None) -> Measured:
        """See ``System``; faces that cannot be read or lack its landmarks have no answer."""
        self.weights.check(fold)
        model = self._load(self.weights.name(fold.number))
        columns = None if fold.labels is None or model.labels is None else _columns(model.labels, fold)
        usable = fold.test.has_landmarks(model.landmarks)
        faces = fold.test.with_landmarks(model.landmarks)
        how = Pass(self.batch_size, on_unreadable="skip", progress=progress)
        told = self._predict(model, faces, how)
        rows = np.flatnonzero(usable)[told.row.numpy()]
        answers = model_answers(model, told, len(fold.test), columns, rows)
        if fold.protocol.task == "expression":
            answers = replace(answers, va=None)
        return Measured(answers, self._cost(model) if measure else None, remarks=self.remarks)

    def _load(self, name: str) -> AffectModel:
        return load(name)

    def _predict(self, model: AffectModel, faces: FaceIndex, how: Pass) -> Predicted:
        return predict_index(model, faces, how)

    def _cost(self, model: AffectModel) -> dict[str, Any]:
        return cost(model)

    def facts(self, fold: Fold) -> dict[str, Any]:
        """See ``System``."""
        meta = self.weights.meta(fold.number)
        mapped = fold.labels is not None and meta.label_space is not None
        return {
            **self.weights.facts(fold),
            "claimed": [dict(metric) for metric in meta.metrics if metric.get("data") == fold.test.dataset],
            "mapping": fold.labels.mapping_to(meta.label_space) if mapped else None,  # type: ignore[union-attr,arg-type]
        }


def _columns(own: LabelSpace, fold: Fold) -> list[int | None]:
    """For each of the protocol's classes the model's column; ``None`` where no face needs one."""
    assert fold.labels is not None
    mapping = fold.labels.mapping_to(own)
    lost = unmapped(mapping, fold.test.table["label"].dropna())
    if lost:
        raise LabelError(
            f"{fold.protocol.name} has faces labeled {', '.join(lost)}, which the model's {own} lacks: "
            "it cannot be measured on them. Take a protocol of its classes, or its features: MODEL+svm"
        )
    return [None if name is None else own.index(name) for name in mapping.values()]


class ClassifierSystem(System):
    """Features with a classifier, which is fitted on the protocol's training part."""

    learns = True

    def __init__(self, name: str, spec: str, batch_size: int = 64) -> None:
        """Read ``FEATURES[#LAYER]+CLASSIFIER``."""
        super().__init__(name, spec)
        source, _, self.classifier = spec.rpartition("+")
        self.source, _, self.layer = source.partition("#")
        self.weights = None if self.source in FEATURES else Weights(self.source)
        self.kind = "classical" if self.weights is None else "features"
        self.batch_size = batch_size

    def misfit(self, protocol: protocols.Protocol) -> str | None:
        """See ``System``."""
        values = self.classifier in REGRESSORS
        if values != (protocol.task == "va"):
            what = "classes: +svm or +lda" if values else "valence and arousal: +svr"
            return f"{self.spec}: {protocol.name} is about {what}"
        return None if self.weights is None else self.weights.misfit(protocol)

    def identity(self, protocol: protocols.Protocol) -> list[str]:
        """See ``System``."""
        sums = [self.source] if self.weights is None else self.weights.sums(protocol)
        return [self.layer, self.classifier, f"{WIDE} {WIDE_SHARE} {PCA_FACES}", *sums]

    def answer(self, fold: Fold, *, measure: bool, progress: Progress | None = None) -> Measured:
        """See ``System``; faces that cannot be read or lack the features' landmarks have no answer."""
        if self.weights is not None:
            self.weights.check(fold)
        extractor = self._extractor(fold)
        train, test = _annotated(fold.parts["train"], fold.labels is not None), fold.test
        share = len(train) / (len(train) + len(test))
        scaling, seen, usable = learn_scaling(extractor, train, span(progress, 0, share))
        faces, known = scaled(extractor, test, scaling, span(progress, share, 1))
        fitted, table = classifier(self.classifier), train.rows(usable).table
        if fold.labels is None:
            fitted.fit(seen, table[list(DIMENSIONS)].to_numpy(np.float64))
            decide = fitted.values
            answers = Answers(va=fold.spread(decide(faces), np.flatnonzero(known)))
        else:
            truth = np.array([fold.labels.index(label) for label in table["label"]])
            fitted.fit(seen, truth, classes=len(fold.labels))
            decide = fitted.scores
            answers = Answers(fold.spread(decide(faces), np.flatnonzero(known)), kind="decisions")
        spent = self._cost(fold, extractor, lambda raw: decide(scaling.transform(raw))) if measure else None
        fit = {"faces": len(seen), "without_features": len(train) - len(seen), "dimensions": seen.shape[1]}
        pca = scaling.share if isinstance(scaling, Reduction) else None
        chosen = {"chosen": fitted.chosen} if fitted.chosen else {}
        return Measured(answers, spent, {**fit, "pca": pca, **chosen})

    def _extractor(self, fold: Fold) -> Extractor:
        if self.weights is None:
            return FEATURES[self.source]
        return Layer(load(self.weights.name(fold.number)), self.layer or None, self.batch_size)

    def _cost(
        self, fold: Fold, extractor: Extractor, decide: Callable[[np.ndarray], np.ndarray]
    ) -> dict[str, Any]:
        """Measure features and classifier, one after the other, on prepared faces."""
        index = fold.test.with_landmarks(extractor.landmarks)
        _, raw = next(extractor.chunks(index, "skip", None))
        steps = [timed(decide, raw[: self.batch_size])]
        if isinstance(extractor, Layer):
            found = cost(extractor.model, batch_size=self.batch_size)
            steps.append({name: found[name] for name in ("latency_ms", "throughput", "held_up")})
        else:
            feature = FEATURES[self.source]
            _, pictures, points = next(feature.prepared(index, "skip"))

            def extract(some: np.ndarray) -> np.ndarray:
                return feature.extract(some, None if points is None else points[: len(some)])

            steps.append(timed(extract, pictures[: self.batch_size]))
            found = {"parameters": None, "flops": None, "device": "cpu"}
            found["threads"] = torch.get_num_threads()
        return found | {
            "latency_ms": sum(step["latency_ms"] for step in steps),
            "throughput": 1 / sum(1 / step["throughput"] for step in steps),
            "held_up": max(step["held_up"] for step in steps),
        }

    def facts(self, fold: Fold) -> dict[str, Any]:
        """See ``System``."""
        if self.weights is not None:
            return self.weights.facts(fold)
        return {"epoch": {"rule": "fitted on the training part, nothing chosen", "on_test": False}}


def _annotated(index: FaceIndex, classes: bool) -> FaceIndex:
    """The faces that a classifier can learn from."""
    known = index.table[["label"] if classes else list(DIMENSIONS)].notna().all(axis=1)
    return index.rows(known.to_numpy(bool))


class ExternalSystem(System):
    """Another system's predictions, from a file."""

    kind: Kind = "external"

    def misfit(self, protocol: protocols.Protocol) -> str | None:
        """Nothing is known before the file is read for the faces."""
        return None

    def identity(self, protocol: protocols.Protocol) -> list[str]:
        """See ``System``."""
        return [fetch.sha256(Path(self.spec))]

    def answer(self, fold: Fold, *, measure: bool, progress: Progress | None = None) -> Measured:
        """See ``System``."""
        labels = None if fold.labels is None else fold.labels.names
        values = fold.protocol.task != "expression"
        told = read_predictions(Path(self.spec), fold.whole, labels, values=values)
        here = slice(fold.start, fold.start + len(fold.test))
        scores = None if told.scores is None else told.scores[here]
        remarks = (f"its file: {told.others}",) if told.others else ()
        if told.va is None:
            return Measured(Answers(scores, kind=told.kind), remarks=remarks)
        known = np.asarray(np.isfinite(told.va).any(axis=0))
        dimensions = tuple(name for name, some in zip(DIMENSIONS, known, strict=True) if some)
        return Measured(Answers(scores, told.va[here][:, known], told.kind, dimensions), remarks=remarks)

    def facts(self, fold: Fold) -> dict[str, Any]:
        """See ``System``."""
        return {"epoch": {"rule": None, "on_test": None}}


def system(text: str, batch_size: int = 64) -> System:
    """The system behind ``[NAME=]SPEC``.

    Raises:
        AffectZooError: There is no such model, or no such classifier.
    """
    name, spec = split_name(text)
    left, plus, ending = spec.rpartition("+")
    if plus and ending in CLASSIFIERS:
        found: System = ClassifierSystem(name, spec, batch_size)
        source, layer, _ = left.partition("#")
        if layer and source in FEATURES:
            raise AffectZooError(f"{spec}: {source} is computed without a network, it has no layers")
        checked = None if source in FEATURES else source
    elif Path(spec).suffix.lower() == SUFFIX:
        from affectzoo.benchmark.exported import ExportedSystem

        return ExportedSystem(name, spec, batch_size)
    elif spec in FEATURES:
        raise AffectZooError(f"{spec} is a feature: say with which classifier, such as {spec}+svm")
    else:
        found, checked = ZooSystem(name, spec, batch_size), spec
    if checked is not None:
        Weights(checked).meta()
    return found


def external(text: str) -> ExternalSystem:
    """The system behind ``NAME=FILE``.

    Raises:
        AffectZooError: There is no such file.
    """
    name, path = split_name(text)
    if not Path(path).is_file():
        raise AffectZooError(f"--predictions {text}: {path}: no such file; expected NAME=FILE.csv")
    return ExternalSystem(name, path)


def split_name(text: str) -> tuple[str, str]:
    """Name and text behind ``[NAME=]TEXT``; by default the text is the name.

    Raises:
        AffectZooError: Nothing is behind the name.
    """
    name, equals, rest = text.partition("=")
    if equals and not rest.strip() and not Path(text).exists():
        raise AffectZooError(f"{text}: nothing follows the name; is a variable not set?")
    if equals and re.fullmatch(r"[\w .+#-]+", name) and not Path(text).exists():
        return name, rest
    return text, text
