"""A small classifier of digits that learnt from clean ones alone: the share that it reads right shows how much restoring keeps.

A perceptron with one hidden layer of 128 units (scikit-learn, extra ``bench``), trained for a dozen passes on MNIST's clean
training digits where they lie beside the ones that are scored, else on the 2,000 in the package.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import MissingExtra

__all__ = ["Reader"]

HIDDEN = 128
PASSES = 12


@dataclass(frozen=True)
class Reader:
    """Reads digits; `trained` makes one."""

    classifier: Any

    @classmethod
    def trained(cls, digits: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Reader:
        """A reader that has learnt from clean ``digits`` (n, h, w) uint8 and their ``labels`` (n,); the same one every time.

        Raises `MissingExtra` without scikit-learn.
        """
        try:
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.neural_network import MLPClassifier
        except ImportError as error:
            raise MissingExtra("scikit-learn", "bench") from error
        classifier = MLPClassifier((HIDDEN,), max_iter=PASSES, random_state=0)
        with warnings.catch_warnings():
            # It would go on to memorise its digits.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(_rows(digits / np.float32(255)), labels)
        return cls(classifier)

    def read(self, stack: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The digits that a ``stack`` (n, h, w) in [0, 1] shows, (n,)."""
        read: NDArray[np.uint8] = self.classifier.predict(_rows(stack)).astype(np.uint8)
        return read


def _rows(stack: NDArray[np.floating]) -> NDArray[np.float32]:
    return stack.reshape(len(stack), -1).astype(np.float32)
