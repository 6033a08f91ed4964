"""Means over networks and test videos -> 95 % intervals, over seeds and groups of videos.

Videos of one group (the recording that they were cut from) resemble each other, and all
videos of a network share its seed, so the units are groups and seeds, not videos. The
deviation of a mean is a sum of shares d[s, g], one of each seed and group (`Influence`).
With S seeds and G groups

    V(seeds)  = S / (S - 1) sum_s (sum_g d)^2
    V(groups) = G / (G - 1) sum_g (sum_s d)^2
    V(both)   = S G / ((S - 1) (G - 1)) sum_sg (d - sum_g d / G - sum_s d / S)^2
    Var(mean) = max(V(seeds) + V(groups) - V(both), V(seeds), V(groups))

in groups of one size these are the mean squares of a two-way table over S G. Satterthwaite's
degrees of freedom and Student's t make the interval of a difference of two systems. (A few
seeds mostly vary less than all would: in the degrees of freedom, V(seeds) is its
median-unbiased estimate.) An accuracy has Korn and Graubard's interval, which stays within 0 and 1. One seed has
V(groups) alone: such an interval says nothing about other seeds.

Source:
    Searle, Casella, McCulloch, "Variance Components", 1992 (two-way random effects);
    Satterthwaite, Biometrics Bulletin 1946; O'Neill, The American Statistician 2014
    (degrees of freedom of a variance by kurtosis); Korn and Graubard, Survey Methodology
    1998; Bonett and Price, J. Educational and Behavioral Statistics 2012 (one more video
    each way in paired proportions); Efron, "The Jackknife, the Bootstrap", 1982.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, chdtri, stdtr, stdtrit

from ..run_files.results import Interval
from .metrics import mean_average_precision, precisions_of

TAIL = 0.025
"""Probability on each side of an interval."""
POWER = 0.8
NOTHING = 1e-24
"""Variances below are rounding."""
BLOCKS = 100
"""Most sets of groups that are left out in turn for a mean average precision."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Influence:
    """A mean over seeds and videos, and the part of each seed and group in its deviation."""

    mean: float
    seeds: tuple[int, ...]
    """(S,)."""
    groups: tuple[str, ...]
    """(G,) different names."""
    values: np.ndarray
    """(S, G) float64; they sum to 0."""
    weights: np.ndarray
    """(G,) share of each group in the mean; they sum to 1."""
    videos: float
    """Number of videos; of several splits one over the sum of their squared weights."""

    def minus(self, other: "Influence") -> "Influence":
        """The difference of two means over the same seeds and groups, pair by pair.

        Raises:
            ValueError: they are not of the same seeds and groups.
        """
        if (self.seeds, self.groups) != (other.seeds, other.groups):
            raise ValueError(
                "expected the same seeds and groups on both sides of a comparison, got"
                f" {len(self.seeds)} x {len(self.groups)} and"
                f" {len(other.seeds)} x {len(other.groups)}"
            )
        return Influence(
            mean=self.mean - other.mean,
            seeds=self.seeds,
            groups=self.groups,
            values=self.values - other.values,
            weights=self.weights,
            videos=self.videos,
        )


class Estimate(NamedTuple):
    """A mean with its 95 % interval, and what the interval is made of."""

    mean: float
    low: float
    high: float
    standard_error: float
    """Infinite where there is one group only."""
    freedom: float
    """Degrees of freedom of the standard error."""
    seeds: int
    groups: int

    @property
    def interval(self) -> Interval:
        return Interval(self.mean, self.low, self.high)

    def p_above(self, bound: float = 0.0) -> float:
        """Two-sided p of a mean above a bound; 1 where the mean is not above it.

        It is below .05 where a difference's interval lies above the bound.
        """
        if not np.isfinite(self.standard_error):
            return 1.0
        t = (self.mean - bound) / self.standard_error
        return float(min(1.0, 2 * stdtr(self.freedom, -t)))

    @property
    def detectable(self) -> float:
        """Smallest true difference whose interval would lie above 0 in 80 % of repetitions."""
        if not np.isfinite(self.standard_error):
            return float("inf")
        quantiles = stdtrit(self.freedom, [1 - TAIL, POWER])
        return float(quantiles.sum() * self.standard_error)


def influence_of_mean(
    values: np.ndarray, groups: Sequence[str], seeds: Sequence[int] | None = None
) -> Influence:
    """The mean over seeds and videos of one split.

    Args:
        values: (V,) hits, or anything measured per video; (S, V) for several seeds.
        groups: (V,) group of each video.
        seeds: (S,); None: 0 to S - 1.

    Raises:
        ValueError: there is no value, or not a group of each video.
    """
    values = np.atleast_2d(np.asarray(values, np.float64))
    if values.ndim != 2 or not values.size or values.shape[1] != len(groups):
        raise ValueError(
            f"expected values of seeds and of {len(groups)} videos, got {values.shape}"
        )
    names, of_video = np.unique(np.asarray(groups, "U"), return_inverse=True)
    count, videos = values.shape
    mean = float(values.mean())
    shares = np.zeros((len(names), count))
    np.add.at(shares, of_video, (values.T - mean) / values.size)
    return Influence(
        mean=mean,
        seeds=_seeds(seeds, count),
        groups=tuple(names.tolist()),
        values=shares.T,
        weights=np.bincount(of_video) / videos,
        videos=float(videos),
    )


def influence_of_map(
    scores: np.ndarray,
    relevant: np.ndarray,
    groups: Sequence[str],
    seeds: Sequence[int] | None = None,
) -> Influence:
    """The mean of several seeds' mean average precisions on one split.

    Each group (of very many: each of 100 sets of groups) is left out in turn; this
    jackknife gives the influence of a group on a seed's mean average precision.

    Args:
        scores: (V, K) of one seed or (S, V, K), higher is better.
        relevant: (V, K) bool.
        groups, seeds: as for `influence_of_mean`.
    """
    scores = scores[None] if scores.ndim == 2 else scores
    names, of_video = np.unique(np.asarray(groups, "U"), return_inverse=True)
    blocks = min(len(names), BLOCKS)
    block = of_video % blocks
    weights = np.bincount(block) / len(block)
    each = [mean_average_precision(one, relevant) for one in scores]
    mean = float(np.mean(each))
    shares = np.zeros((len(scores), blocks))
    for row, one, whole in zip(shares, scores, each, strict=True):
        if blocks > 1:
            without = block != np.arange(blocks)[:, None]
            rest = _maps_of(one, relevant, without)
            pull = (1 - weights) * np.where(np.isnan(rest), 0.0, whole - rest)
            row += pull - pull.mean()
        row += weights * (whole - mean)
    return Influence(
        mean=mean,
        seeds=_seeds(seeds, len(scores)),
        groups=tuple(names.tolist())
        if blocks == len(names)
        else tuple(f"block {k}" for k in range(blocks)),
        values=shares / len(scores),
        weights=weights,
        videos=float(len(block)),
    )


def over_splits(splits: Sequence[Influence]) -> Influence:
    """The mean of the means of several splits, as the papers' "3 splits".

    Splits count alike whatever their sizes. A group that several splits test is one
    unit, and so is a seed: first weights and order are the same on every split.
    Deviations are those from the mean over all splits, as groups are a sample of one
    population: else a split that tests a single group (leave one subject out) would not
    deviate at all.
    """
    if len(splits) == 1:
        return splits[0]
    seeds = tuple(sorted({seed for one in splits for seed in one.seeds}))
    groups = tuple(sorted({group for one in splits for group in one.groups}))
    row, column = (
        {name: i for i, name in enumerate(names)} for names in (seeds, groups)
    )
    values, weights = np.zeros((len(seeds), len(groups))), np.zeros(len(groups))
    count = len(splits)
    mean = float(np.mean([one.mean for one in splits]))
    for one in splits:
        columns = [column[group] for group in one.groups]
        rows = [row[seed] for seed in one.seeds]
        of_split = (one.mean - mean) * one.weights / len(one.seeds)
        values[np.ix_(rows, columns)] += (one.values + of_split) / count
        weights[columns] += one.weights / count
    return Influence(
        mean=mean,
        seeds=seeds,
        groups=groups,
        values=values,
        weights=weights,
        videos=count**2 / sum(1 / one.videos for one in splits),
    )


def share(influence: Influence) -> Estimate:
    """The interval of an accuracy or of another mean from 0 to 1.

    Korn and Graubard: exact binomial bounds of as many independent videos as would
    have the variance that was found, never more than there are; where every video has
    the same value (all right, or none), of as many as there are groups in effect.
    """
    variance, freedom = _variance(influence)
    mean = min(max(influence.mean, 0.0), 1.0)
    if len(influence.groups) < 2 and 0 < mean < 1:
        low, high = 0.0, 1.0
    else:
        videos = _groups_in_effect(influence)
        if variance > 0 and 0 < mean < 1:
            of_groups = _freedom(influence.values.sum(axis=0))
            videos = min(
                mean * (1 - mean) / variance * _less_sure(freedom),
                influence.videos * _less_sure(of_groups),
            )
        low, high = _binomial_bounds(mean * videos, videos)
    if len(influence.groups) < 2:
        variance = np.inf
    return _estimate(influence, mean, (low, high), variance, freedom)


def difference(influence: Influence) -> Estimate:
    """The interval of a paired difference, from -1 to 1.

    Student's t. As for small counts of pairs that differ, one more video is thought to
    differ each way; where no video differs, one more group.
    """
    variance, freedom = _variance(influence)
    mean = influence.mean
    if len(influence.groups) < 2:
        return _estimate(influence, mean, (-1.0, 1.0), np.inf, freedom)
    added = influence.videos if variance > 0 else _groups_in_effect(influence)
    variance += 2 / added**2
    half = stdtrit(freedom, 1 - TAIL) * np.sqrt(variance)
    bounds = max(-1.0, mean - half), min(1.0, mean + half)
    return _estimate(influence, mean, bounds, variance, freedom)


def _seeds(seeds: Sequence[int] | None, count: int) -> tuple[int, ...]:
    found = tuple(range(count)) if seeds is None else tuple(seeds)
    if len(found) != count:
        raise ValueError(f"expected {len(found)} seeds, got values of {count}")
    return found


def _estimate(
    influence: Influence,
    mean: float,
    bounds: tuple[float, float],
    variance: float,
    freedom: float,
) -> Estimate:
    return Estimate(
        mean=mean,
        low=float(bounds[0]),
        high=float(bounds[1]),
        standard_error=float(np.sqrt(variance)),
        freedom=freedom,
        seeds=len(influence.seeds),
        groups=len(influence.groups),
    )


def _variance(influence: Influence) -> tuple[float, float]:
    """Variance of the mean, and its degrees of freedom."""
    values = influence.values
    seeds, groups = values.shape
    if groups < 2:
        return 0.0, 1.0
    of_group = values.sum(axis=0)
    of_groups = groups / (groups - 1) * float((of_group**2).sum())
    freedom = _freedom(of_group)
    if seeds < 2:
        return of_groups if of_groups > NOTHING else 0.0, freedom
    of_seed = values.sum(axis=1)
    of_seeds = seeds / (seeds - 1) * float((of_seed**2).sum())
    rest = values - of_seed[:, None] / groups - of_group / seeds
    cells = (seeds - 1) * (groups - 1)
    of_both = seeds * groups / cells * float((rest**2).sum())
    variance = max(of_seeds + of_groups - of_both, of_seeds, of_groups)
    if variance < NOTHING:
        return 0.0, freedom
    of_seeds *= (seeds - 1) / float(chdtri(seeds - 1, 0.5))
    whole = max(of_seeds + of_groups - of_both, of_seeds, of_groups)
    spread = of_seeds**2 / (seeds - 1) + of_groups**2 / freedom + of_both**2 / cells
    return variance, max(1.0, whole**2 / spread)


def _freedom(of_group: np.ndarray) -> float:
    """Degrees of freedom of the variance between groups: G - 1, fewer for heavy tails.

    A few groups that differ much say less about the variance than many that differ a
    little: 2 G / (kurtosis - (G - 3) / (G - 1)).
    """
    groups, squares = len(of_group), of_group**2
    total = squares.sum()
    if total <= 0:
        return groups - 1.0
    kurtosis = groups * float((squares / total) @ (squares / total))
    excess = kurtosis - (groups - 3) / (groups - 1)
    return float(np.clip(2 * groups / max(excess, 1e-9), 1, groups - 1))


def _less_sure(freedom: float) -> float:
    """Ratio of the squared quantiles of the normal and of Student's t distribution."""
    normal, t = stdtrit([np.inf, freedom], 1 - TAIL)
    return float((normal / t) ** 2)


def _groups_in_effect(influence: Influence) -> float:
    """Kish's number of groups of one size that are as good as these."""
    return float(1 / (influence.weights**2).sum())


def _binomial_bounds(right: float, videos: float) -> tuple[float, float]:
    """Clopper and Pearson's bounds; counts need not be whole."""
    wrong = max(videos - right, 0.0)
    low = betaincinv(right, wrong + 1, TAIL) if right > 0 else 0.0
    high = betaincinv(right + 1, wrong, 1 - TAIL) if wrong > 0 else 1.0
    return float(low), float(high)


def _maps_of(
    scores: np.ndarray, relevant: np.ndarray, videos: np.ndarray
) -> np.ndarray:
    """(D,) mean average precisions over (D, V) sets of videos; NaN without a class."""
    total, counted = np.zeros(len(videos)), np.zeros(len(videos))
    for k in np.flatnonzero(relevant.any(axis=0)):
        found = precisions_of(scores[:, k], relevant[:, k], videos)
        total += np.nan_to_num(found)
        counted += ~np.isnan(found)
    return total / np.where(counted > 0, counted, np.nan)
