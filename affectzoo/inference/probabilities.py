"""What is done to a model's probabilities on request: rare classes count more, unsure faces have no label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from affectzoo.errors import OptionError
from affectzoo.weights.meta import check_share

if TYPE_CHECKING:
    import numpy.typing as npt

    from affectzoo.export.onnx_model import OnnxModel
    from affectzoo.models.base import AffectModel


def taken_out(model: AffectModel | OnnxModel, balance: float) -> npt.NDArray[np.float64] | None:
    """What is taken from the logarithms of probabilities, class by class, for a share of the frequencies.

    Args:
        model: What predicts.
        balance: The share, 0 to 1.

    Returns:
        Shape (classes,); ``None`` where nothing is taken.

    Raises:
        OptionError: The weights have no classes, or do not say how frequent these were.
    """
    if not balance:
        return None
    if model.labels is None:
        raise OptionError(f"balance is {balance:g}, but these weights of {model.arch} predict no classes")
    meta = model.describe()
    if not meta.prior:
        raise OptionError(
            f"balance is {balance:g}, but these weights of {model.arch} do not say how frequent their "
            "classes were: calibrate them first (affectzoo calibrate)"
        )
    return balance * (1 - meta.balance) * np.log(np.array(meta.prior, np.float64))


def balanced(
    probabilities: npt.NDArray[np.float32], taken: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Take out the frequencies; in logarithms, so that no frequency is too small.

    Args:
        probabilities: Shape (faces, classes), each row of sum 1.
        taken: See ``taken_out``.

    Returns:
        Shape (faces, classes), each row of sum 1.
    """
    with np.errstate(divide="ignore"):  # of a class without any probability
        logarithms = np.log(probabilities, dtype=np.float64) - taken
    shares = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    found: npt.NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def threshold_of(model: AffectModel | OnnxModel, abstain: bool | float, balance: float) -> float:
    """The least probability of the likeliest class of a face that has a label; 0 where each has one.

    Args:
        model: What predicts.
        abstain: See ``Predictor``.
        balance: The share of the classes' frequencies that is taken out of its probabilities.

    Raises:
        OptionError: It is out of range, or the weights have no classes or no threshold that fits.
    """
    if abstain is False or abstain == 0:
        return 0.0
    if model.labels is None:
        raise OptionError(f"abstain is {abstain!r}, but these weights of {model.arch} predict no classes")
    if abstain is not True:
        return check_share("abstain", abstain)
    if balance:
        raise OptionError(
            "abstain: the weights' threshold is for their own probabilities, which balance changes; say one, "
            "such as 0.6"
        )
    threshold = model.describe().threshold
    if not threshold:
        raise OptionError(
            f"abstain: these weights of {model.arch} have no threshold; say one, such as 0.6, or calibrate "
            "them (affectzoo calibrate)"
        )
    return threshold


def abstained(fields: dict[str, Any], threshold: float) -> dict[str, Any]:
    """Take the label of a face whose likeliest class is less probable.

    Args:
        fields: A face's predictions, as fields of ``FaceResult``.
        threshold: 0 to 1.
    """
    shares = fields.get("probabilities")
    unsure = shares is not None and max(shares.values()) < threshold
    return fields | {"label": None} if unsure else fields
