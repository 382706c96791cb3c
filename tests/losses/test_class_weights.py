from __future__ import annotations

import numpy as np
import pytest

from affectzoo.losses.class_weights import ClassWeights, class_weights


@pytest.mark.parametrize(
    ("counts", "kind", "expected"),
    [
        ([10, 5, 20], "none", [1, 1, 1]),
        ([10, 5, 20], "inverse", [0.5, 1, 0.25]),
        ([10, 0, 20], "inverse", [1, 0, 0.5]),
        # 1 / (1 + 1/2) = 2/3 and 1 / (1 + 1/2 + 1/4) = 4/7 by the geometric sum, mean 13/21
        ([2, 3], "effective", [14 / 13, 12 / 13]),
        ([2, 0, 3], "effective", [14 / 13, 0, 12 / 13]),
        ([0, 0], "inverse", [1, 1]),
    ],
)
def test_hand_computed(counts: list[int], kind: ClassWeights, expected: list[float]) -> None:
    np.testing.assert_allclose(class_weights(counts, kind, beta=0.5), expected)


@pytest.mark.parametrize("kind", ["inverse", "effective"])
def test_rare_classes_weigh_more(kind: ClassWeights) -> None:
    weights = class_weights([75_374, 134_915, 3_750], kind)
    assert weights[2] > weights[0] > weights[1] > 0


def test_beta_goes_from_equal_weights_to_inverse_counts() -> None:
    counts = np.array([100, 300])
    np.testing.assert_allclose(class_weights(counts, "effective", beta=0), [1, 1])
    near_one = class_weights(counts, "effective", beta=1 - 1e-9)
    np.testing.assert_allclose(near_one, [1.5, 0.5], rtol=1e-5)
