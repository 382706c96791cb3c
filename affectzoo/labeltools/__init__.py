"""From annotators' answers to labels: who is reliable, what the crowd says, and how far people agree.

===============  ==================================================================================
``reliability``  reliability of annotators by expectation maximisation (Li and Deng, RAF-DB)
``subsets``      single-label and two-tab subsets from the crowd's distributions (Li and Deng, RAF-DB)
``fusion``       one trace out of several annotators' valence or arousal (Kollias et al., Aff-Wild)
``agreement``    how far two annotators agree, one label out of both (Mollahosseini et al., AffectNet)
``annotator``    late, smoothed, noisy traces: a simple model of an annotator, no paper's
===============  ==================================================================================

Answers are tables with one row per image and one column per annotator; a missing answer is NaN or
``None``. From a list with one line per answer::

    answers = lines.pivot(index="image", columns="annotator", values="label")
"""

from affectzoo.labeltools.agreement import (
    CategoryAgreement,
    affect_agreement,
    category_agreement,
    settled_labels,
)
from affectzoo.labeltools.annotator import Annotator
from affectzoo.labeltools.fusion import correlations, fuse, most_correlated
from affectzoo.labeltools.reliability import Reliability, estimate_reliability
from affectzoo.labeltools.subsets import compound_class, subsets, valid_labels, weighted_votes

__all__ = [
    "Annotator",
    "CategoryAgreement",
    "Reliability",
    "affect_agreement",
    "category_agreement",
    "compound_class",
    "correlations",
    "estimate_reliability",
    "fuse",
    "most_correlated",
    "settled_labels",
    "subsets",
    "valid_labels",
    "weighted_votes",
]
