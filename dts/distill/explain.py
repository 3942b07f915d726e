"""What a student took from its teacher, and what it gave up for that.

    S, T, S0   features of the distilled student, its teacher, and a student that learned alone
    D_x        distances between the rows of x, U-centred: means of rows and columns taken off
    <., .>     sum over pairs of rows
    R(x, y)    bias-corrected distance correlation, <D_x, D_y> / (|D_x| |D_y|)

Rows are the same pixels in all three. R is 1 for x = y and near 0 for independent features, and
does not change when one side is shifted, rotated or scaled. R(x, y; z) is R with what D_z explains
projected out of D_x and D_y.

Source: idea of parting distilled and residual features and showing them as maps, UniCAM
(arXiv 2412.13943); estimators, Szekely and Rizzo, "Partial distance correlation with methods for
dissimilarities", Annals of Statistics 2014 (arXiv 1310.2926).
Ours: that rows are labelled pixels, the choice R(S, T; S0) and R(S0, T; S), and the weight of a
channel in a map. The two scores are not the paper's FSS and RS.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_ROWS = 4  # the fewest for which U-centred distances have a degree of freedom
NOTHING_LEFT = 1e-9  # share of a squared norm that rounding leaves of a projection


@dataclass(frozen=True)
class Explanation:
    """Scores of a student, and how much every channel has to do with them.

    Attributes:
        distilled: R(S, T; S0) in [-1, 1]: likeness to the teacher that learning alone does not
            bring.
        residual: R(S0, T; S) in [-1, 1]: likeness of the student that learned alone to the teacher
            that the distilled one lost.
        distilled_channels: (C_S,) in [0, 1], of S.
        residual_channels: (C_S0,) in [0, 1], of S0.
    """

    distilled: float
    residual: float
    distilled_channels: Tensor
    residual_channels: Tensor


def explain(student: Tensor, teacher: Tensor, baseline: Tensor) -> Explanation:
    """Compare three networks at the same pixels.

    Args:
        student: (n, C_S), n >= 4.
        teacher: (n, C_T).
        baseline: (n, C_S0).

    Returns:
        Scores, and relevance of channels: of S, R(S_c, T; S0), of S0, R(S0_c, T; S), 0 where
        negative.

    Raises:
        ValueError: if there are too few rows, or their numbers differ.
    """
    centered = [u_centered(features) for features in (student, teacher, baseline)]
    if len({len(distances) for distances in centered}) > 1:
        raise ValueError(
            'rows must be the same pixels in all networks, got '
            f'{[len(distances) for distances in centered]} of student, teacher and baseline'
        )
    ours, theirs, alone = centered
    return Explanation(
        float(_partial(ours, theirs, alone)),
        float(_partial(alone, theirs, ours)),
        _channels(student, theirs, alone),
        _channels(baseline, theirs, ours),
    )


def distance_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return R(x, y), the bias-corrected distance correlation.

    Args:
        first: x, (n, C), n >= 4.
        second: y, (n, D).

    Returns:
        Scalar in [-1, 1]; 0 if all rows of one side are equal.

    Raises:
        ValueError: if there are too few rows.
    """
    return _correlation(u_centered(first), u_centered(second))


def partial_distance_correlation(first: Tensor, second: Tensor, given: Tensor) -> Tensor:
    """Return R(x, y; z), the distance correlation of x and y beside what z explains of both.

    Args:
        first: x, (n, C), n >= 4.
        second: y, (n, D).
        given: z, (n, E).

    Returns:
        Scalar in [-1, 1]; 0 if z explains one side wholly.

    Raises:
        ValueError: if there are too few rows.
    """
    return _partial(u_centered(first), u_centered(second), u_centered(given))


def u_centered(features: Tensor) -> Tensor:
    """Return the U-centred Euclidean distances between rows.

    Args:
        features: (n, C), n >= 4.

    Returns:
        (n, n) float64, every row and column summing to 0, zeros on the diagonal.

    Raises:
        ValueError: if there are too few rows.
    """
    count = len(features)
    if count < MIN_ROWS:
        raise ValueError(
            f'distance correlation needs at least {MIN_ROWS} rows, got {count}: take more pixels'
        )
    rows = features.double()
    # Distances of a matrix product lose half of the digits, and are not 0 between equal rows.
    distances = torch.cdist(rows, rows, compute_mode='donot_use_mm_for_euclid_dist')
    sums = distances.sum(dim=1) / (count - 2)
    total = distances.sum() / ((count - 1) * (count - 2))
    return (distances - sums[:, None] - sums[None] + total).fill_diagonal_(0.0)


def draw_per_class(labels: Tensor, per_class: int, num_classes: int) -> Tensor:
    """Return random pixels, at most so many of every class.

    Args:
        labels: (N,) int64; others than 0 to K-1 are left out.
        per_class: M >= 1.
        num_classes: K.

    Returns:
        (n,) positions in ``labels``, n <= K M, by class; from torch's global generator.
    """
    order = torch.randperm(len(labels), device=labels.device)
    shuffled = labels[order]
    return torch.cat([order[shuffled == k][:per_class] for k in range(num_classes)])


def relevance_map(maps: Tensor, gradients: Tensor, channels: Tensor) -> Tensor:
    """Return where channels raise a score: Grad-CAM with one more weight per channel.

        M(p) = relu(sum_c r_c a_c f_c(p)) / max_p,   a_c = mean over p of d score / d f_c(p)

    Source: Grad-CAM, Selvaraju et al., ICCV 2017 (arXiv 1610.02391), Eq. (1) and (2), for r = 1.

    Args:
        maps: f, (C, h, w).
        gradients: of a score, (C, h, w).
        channels: r, (C,) >= 0.

    Returns:
        (h, w) in [0, 1]; 0 everywhere if nothing raises the score.
    """
    weights = channels.to(maps) * gradients.mean(dim=(1, 2))
    heat = torch.einsum('c,chw->hw', weights, maps).relu()
    highest = heat.max()
    return heat / torch.where(highest > 0, highest, torch.ones_like(highest))


def _channels(features: Tensor, other: Tensor, given: Tensor) -> Tensor:
    """Return R of every channel with U-centred distances, beside others; 0 where negative."""
    scores = [_partial(u_centered(channel[:, None]), other, given) for channel in features.T]
    return torch.stack(scores).clamp_min(0.0)


def _partial(first: Tensor, second: Tensor, given: Tensor) -> Tensor:
    """Return the correlation of U-centred distances after projection."""
    return _correlation(_without(first, given), _without(second, given))


def _without(centered: Tensor, given: Tensor) -> Tensor:
    """Project U-centred distances on the complement of others; exactly 0 if nothing is left."""
    square = (given * given).sum()
    square = torch.where(square > 0, square, torch.ones_like(square))
    rest = centered - (centered * given).sum() / square * given
    is_left = (rest * rest).sum() > NOTHING_LEFT * (centered * centered).sum()
    return rest * is_left


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine between U-centred distances; 0 if one has no length."""
    lengths = first.norm() * second.norm()
    return (first * second).sum() / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
