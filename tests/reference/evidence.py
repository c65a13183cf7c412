"""Log marginal likelihood of Bayesian ridge regression: from the covariance of the targets, and row by row."""

import numpy as np


def log_marginal_likelihood(X, labels, n_classes, noise, leverage=True):
    """Without the constant -C n/2 log(2 pi s2), as in DESIGN 2.1; without leverage its label-dependent part."""
    n, d = X.shape
    if n == 0:
        return 0.0
    rows = np.column_stack([X, np.ones(n)]).astype(np.float64)
    targets = np.eye(n_classes)[labels] - 1 / n_classes
    # Var(t) = s2 (I + X X' / d): weights N(0, (s2 / d) I) plus noise.
    shape = np.eye(n) + rows @ rows.T / max(1, d)
    fit = (targets * np.linalg.solve(shape, targets)).sum()
    volume = n_classes / 2 * np.linalg.slogdet(shape)[1] if leverage else 0.0
    return -fit / (2 * noise) - volume


def evidence_chain(X, labels, n_classes, noise, leverage, order, stops):
    return np.array(
        [
            log_marginal_likelihood(X[order[:stop]], labels[order[:stop]], n_classes, noise, leverage)
            for stop in stops
        ]
    )


def rank_one_chain(X, labels, noise, leverage, order, stops, covariance, coefficients):
    """Values at the stops, covariance and coefficients at the end: an update a row, whatever the prior."""
    covariance, coefficients = covariance.copy(), coefficients.copy()
    rows = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
    n_classes = len(coefficients)
    targets = np.eye(n_classes) - 1 / n_classes
    values = np.zeros(len(order) + 1)
    for t, i in enumerate(order):
        x = rows[i]
        u = covariance @ x
        spread = 1 + u @ x
        error = targets[labels[i]] - coefficients @ x
        values[t + 1] = values[t] - error @ error / (2 * noise * spread)
        if leverage:
            values[t + 1] -= n_classes / 2 * np.log(spread)
        coefficients += np.outer(error / spread, u)
        covariance -= np.outer(u / spread, u)
    return values[stops], covariance, coefficients
