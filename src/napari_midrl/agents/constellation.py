"""Joint decision of agents whose landmarks look alike.

Five vertebrae are near-identical: an agent may come to rest on its neighbor's, and its
starts agree on it. Where the landmarks of training cases lie to each other says which
places go together. Every agent names its candidates, the places where some of its
starts ended; of all combinations the one is chosen that the starts and the distances
between neighbors make most likely. Neighbors form a tree, so that the best combination
is found exactly, by passing messages from the leaves to the root.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.agents.dense_basins import basins
from napari_midrl.data.trajectory import SearchState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.agents.consensus import Consensus
    from napari_midrl.data.trajectory import LandmarkResult, Trajectory
    from napari_midrl.geometry.grid import VoxelGrid

    Edge = tuple[int, int]

MIN_CASES = 3
"""In which two landmarks must be known together to be neighbors."""

PRIOR_CASES = 3
"""How many cases the expected scatter counts as, beside those that were seen."""

SMALLEST_SD_MM, RELATIVE_SD = 3.0, 0.10
"""Expected scatter of a distance: readers and agents, and sizes of patients."""

MAX_STRAIN = 25.0
"""Squared Mahalanobis distance beyond which neighbors no longer count as linked, so
that one agent that is lost does not take the others along."""


NO_VOTE = 0.3
"""Votes that a place has where no start ended: agents are wrong now and then."""


PLACING_SD_MM = 15.0
"""Expected scatter of where an anatomy lies in the field of view."""

ANCHOR_SHARE = 0.5
"""How much the place in the field of view counts: the landmarks of a patient lie high
or low in it together, and are no independent witnesses."""

SAME_SIZE = 0.15
"""Relative difference of edges up to which fields of view count as alike."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """Where landmarks lie in images of one field of view.

    Radiographers center what they image. That tells one vertebra from the next where
    all agents are wrong by one together. In images of another size it says nothing.

    Parameters
    ----------
    from_center_mm
        Mean way from the middle of the image to each landmark, LPS mm, shape
        (n_landmarks, 3).
    covariances_mm2
        Of that way, shape (n_landmarks, 3, 3), positive definite.
    size_mm
        Edges of the images along L, P, S, shape (3,).

    Raises
    ------
    ValueError
        If the shapes disagree or numbers cannot be.
    """

    from_center_mm: npt.NDArray[np.float64]
    covariances_mm2: npt.NDArray[np.float64]
    size_mm: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.from_center_mm)
        shapes = {
            "from_center_mm": (n, 3),
            "covariances_mm2": (n, 3, 3),
            "size_mm": (3,),
        }
        for name, shape in shapes.items():
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                msg = f"{name} must be finite and have shape {shape}, got {array}"
                raise ValueError(msg)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not _are_positive(self.covariances_mm2) or self.size_mm.min() <= 0:
            msg = "covariances must be positive definite and sizes positive"
            raise ValueError(msg)

    def fits(self, grid: VoxelGrid) -> bool:
        """Return whether an image has about the size of those learned from."""
        off = np.abs(_lps_size_mm(grid) - self.size_mm)
        return bool((off <= SAME_SIZE * self.size_mm).all())

    def log_likelihoods(
        self, row: int, places_lps_mm: npt.NDArray[np.float64], grid: VoxelGrid
    ) -> npt.NDArray[np.float64]:
        """Return how well places fit a landmark, shape (n_places,)."""
        apart = places_lps_mm - grid.center_lps_mm - self.from_center_mm[row]
        precision = np.linalg.inv(self.covariances_mm2[row])
        strain = np.einsum("pi,ij,pj->p", apart, precision, apart)
        fits: npt.NDArray[np.float64] = (
            -0.5 * ANCHOR_SHARE * np.minimum(strain, MAX_STRAIN)
        )
        return fits

    @classmethod
    def learned(
        cls, positions_lps_mm: npt.NDArray[np.float64], grids: Sequence[VoxelGrid]
    ) -> Anchor | None:
        """Return the anchor of training cases.

        None if their images are not alike, or a landmark is known in too few.

        Parameters
        ----------
        positions_lps_mm
            Shape (n_cases, n_landmarks, 3); NaN where unknown.
        grids
            Of the image of each case.
        """
        sizes = np.array([_lps_size_mm(grid) for grid in grids])
        middle = np.median(sizes, axis=0)
        if (np.abs(sizes - middle) > SAME_SIZE * middle).any():
            return None
        centers = np.array([grid.center_lps_mm for grid in grids])
        means, covariances = [], []
        for row in range(positions_lps_mm.shape[1]):
            ways = positions_lps_mm[:, row] - centers
            ways = ways[np.isfinite(ways).all(axis=1)]
            if len(ways) < MIN_CASES:
                return None
            mean, covariance = _spread(ways, PLACING_SD_MM**2)
            means.append(mean)
            covariances.append(covariance)
        return cls(np.array(means), np.array(covariances), middle)


@dataclass(frozen=True, eq=False)
class Constellation:
    """How some landmarks lie to each other, as a tree of neighbors.

    Parameters
    ----------
    landmarks
        Names.
    edges
        Pairs (parent, child) of numbers of landmarks; a child has one parent, and
        every parent but a root was a child before.
    offsets_mm
        Mean way from parent to child, LPS mm, shape (n_edges, 3).
    covariances_mm2
        Of that way, shape (n_edges, 3, 3), positive definite.
    anchor
        Where they lie in the image; None if that is not known.

    Raises
    ------
    ValueError
        If the shapes disagree, the edges are no tree, or numbers cannot be.
    """

    landmarks: tuple[str, ...]
    edges: tuple[Edge, ...]
    offsets_mm: npt.NDArray[np.float64]
    covariances_mm2: npt.NDArray[np.float64]
    anchor: Anchor | None = None

    def __post_init__(self) -> None:
        offsets = np.array(self.offsets_mm, dtype=np.float64).reshape(-1, 3)
        covariances = np.array(self.covariances_mm2, dtype=np.float64)
        covariances = covariances.reshape(-1, 3, 3)
        n, n_edges = len(self.landmarks), len(self.edges)
        if len(offsets) != n_edges or len(covariances) != n_edges:
            msg = f"{n_edges} edges need as many offsets and covariances, got "
            msg += f"{len(offsets)} and {len(covariances)}"
            raise ValueError(msg)
        if self.anchor is not None and len(self.anchor.from_center_mm) != n:
            msg = f"an anchor of {len(self.anchor.from_center_mm)} for {n} landmarks"
            raise ValueError(msg)
        children: set[int] = set()
        for parent, child in self.edges:
            is_known = parent in children or all(parent != c for _, c in self.edges)
            if not (0 <= parent < n and 0 <= child < n) or child in children:
                msg = f"edges of {n} landmarks must be a tree, got {self.edges}"
                raise ValueError(msg)
            if not is_known or parent == child:
                msg = f"edges must go from roots to leaves, got {self.edges}"
                raise ValueError(msg)
            children.add(child)
        if not np.isfinite(offsets).all() or not _are_positive(covariances):
            msg = "offsets must be finite and covariances positive definite"
            raise ValueError(msg)
        for name, array in (("offsets_mm", offsets), ("covariances_mm2", covariances)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def learned(
        cls,
        landmarks: Sequence[str],
        positions_lps_mm: npt.NDArray[np.float64],
        grids: Sequence[VoxelGrid] = (),
    ) -> Constellation | None:
        """Return the constellation of training cases; None if nothing is linked.

        Neighbors are those whose way to each other varies least (minimum spanning
        tree). With few cases what varies little may do so by chance, so an expected
        scatter counts as some cases more.

        Parameters
        ----------
        landmarks
            Names.
        positions_lps_mm
            Shape (n_cases, n_landmarks, 3); NaN where unknown.
        grids
            Of the image of each case, for the anchor; none for no anchor.
        """
        ways = {
            (a, b): way
            for a in range(len(landmarks))
            for b in range(a + 1, len(landmarks))
            if (way := _way(positions_lps_mm, a, b)) is not None
        }
        edges = _spanning_tree(len(landmarks), {e: w[2] for e, w in ways.items()})
        if not edges:
            return None
        offsets, covariances = [], []
        for parent, child in edges:
            is_turned = parent > child
            offset, covariance, _ = ways[
                (child, parent) if is_turned else (parent, child)
            ]
            offsets.append(-offset if is_turned else offset)
            covariances.append(covariance)
        anchor = Anchor.learned(positions_lps_mm, grids) if grids else None
        return cls(
            tuple(landmarks), edges, np.array(offsets), np.array(covariances), anchor
        )

    def most_likely(
        self,
        candidates_lps_mm: Sequence[npt.NDArray[np.float64]],
        scores: Sequence[npt.NDArray[np.float64]],
    ) -> tuple[int, ...]:
        """Return which candidate of every landmark is part of the best combination.

        Parameters
        ----------
        candidates_lps_mm
            Of every landmark, shape (n_candidates, 3); may be empty, then the number
            returned is -1 and its neighbors are not linked through it.
        scores
            Log-likelihood of each, as far as its own agent can tell.
        """
        best = [score.astype(np.float64).copy() for score in scores]
        choices: dict[Edge, npt.NDArray[np.int64]] = {}
        for number in range(len(self.edges) - 1, -1, -1):
            parent, child = self.edges[number]
            if not len(best[parent]) or not len(best[child]):
                continue
            link = self._link(number, candidates_lps_mm)
            together = best[child] + link
            choices[parent, child] = together.argmax(axis=1)
            best[parent] += together.max(axis=1)
        chosen = [int(b.argmax()) if len(b) else -1 for b in best]
        for parent, child in self.edges:
            if (parent, child) in choices:
                chosen[child] = int(choices[parent, child][chosen[parent]])
        return tuple(chosen)

    def _link(
        self, number: int, candidates_lps_mm: Sequence[npt.NDArray[np.float64]]
    ) -> npt.NDArray[np.float64]:
        """Return log-likelihoods of an edge, shape (n of parent, n of child)."""
        parent, child = self.edges[number]
        way = candidates_lps_mm[child][None] - candidates_lps_mm[parent][:, None]
        apart = way - self.offsets_mm[number]
        precision = np.linalg.inv(self.covariances_mm2[number])
        strain = np.einsum("pci,ij,pcj->pc", apart, precision, apart)
        link: npt.NDArray[np.float64] = -0.5 * np.minimum(strain, MAX_STRAIN)
        return link

    def decided(
        self,
        results: Sequence[LandmarkResult],
        trajectories: Sequence[Trajectory],
        radius_mm: float,
        grid: VoxelGrid | None = None,
    ) -> tuple[LandmarkResult, ...]:
        """Return results with what the agents of the constellation decide together.

        The places where any of them ended are candidates of each: if all starts of
        L3 ended on L4, and those of L2 on L3, then L3 is known. Results of other
        landmarks, and of those said to lie outside, stay as they are. So does the
        meaning of the agreement: the share of the landmark's own starts that ended
        there, which may now be few, or none.

        Parameters
        ----------
        results
            As a search returns them, in any order.
        trajectories
            Of every start.
        radius_mm
            How near endpoints of one candidate are to its middle.
        grid
            Of the image, in which every implied place must lie, and for the anchor;
            None for neither.
        """
        sought = {r.name for r in results if r.state != SearchState.OUTSIDE}
        ends = [
            np.array(
                [t.endpoint_lps_mm for t in trajectories if t.landmark == name]
            ).reshape(-1, 3)[: None if name in sought else 0]
            for name in self.landmarks
        ]
        groups = [_groups(own, radius_mm) for own in ends]
        everywhere = np.array(
            [group.position_lps_mm for own in groups for group in own]
        ).reshape(-1, 3)
        implied = self._implied(groups, grid)
        places, scores = [], []
        for own, more in zip(ends, implied, strict=True):
            free = _far_from(everywhere, more, radius_mm)
            places.append(np.concatenate([everywhere, free])[: None if len(own) else 0])
            scores.append(_log_votes(own, places[-1], radius_mm))
        anchor = self.anchor
        if anchor is not None and grid is not None and anchor.fits(grid):
            scores = [
                score + anchor.log_likelihoods(row, place, grid)
                for row, (score, place) in enumerate(zip(scores, places, strict=True))
            ]
        chosen = self.most_likely(places, scores)
        by_name = {result.name: result for result in results}
        for row, name in enumerate(self.landmarks):
            if chosen[row] >= 0:
                place = _own_place(groups[row], places[row][chosen[row]], radius_mm)
                by_name[name] = _result(by_name[name], ends[row], place, radius_mm)
        return tuple(by_name[result.name] for result in results)

    def _implied(
        self,
        groups: Sequence[Sequence[Consensus]],
        grid: VoxelGrid | None,
    ) -> list[npt.NDArray[np.float64]]:
        """Return where each landmark should be by where the others ended.

        A vertebra at which no agent came to rest is a candidate, too.
        """
        means, roots = self._means(), self._roots()
        implied = []
        for row in range(len(self.landmarks)):
            found = [
                group.position_lps_mm + means[row] - means[other]
                for other, own in enumerate(groups)
                for group in own
                if other != row and roots[other] == roots[row]
            ]
            places = np.array(found).reshape(-1, 3)
            if grid is not None:
                places = places[grid.contains(places)]
            implied.append(places)
        return implied

    def _means(self) -> npt.NDArray[np.float64]:
        """Return the mean arrangement, every root at 0; shape (n_landmarks, 3)."""
        means = np.zeros((len(self.landmarks), 3))
        for (parent, child), offset in zip(self.edges, self.offsets_mm, strict=True):
            means[child] = means[parent] + offset
        return means

    def _roots(self) -> list[int]:
        """Return the root of the tree that each landmark is in."""
        roots = list(range(len(self.landmarks)))
        for parent, child in self.edges:
            roots[child] = roots[parent]
        return roots


def _are_positive(covariances: npt.NDArray[np.float64]) -> bool:
    if not np.isfinite(covariances).all():
        return False
    is_symmetric = np.allclose(covariances, covariances.transpose(0, 2, 1))
    return is_symmetric and bool((np.linalg.eigvalsh(covariances) > 0).all())


def _way(
    positions: npt.NDArray[np.float64], a: int, b: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float] | None:
    """Return mean, covariance and scatter of the way from a to b; None if unknown."""
    ways = positions[:, b] - positions[:, a]
    ways = ways[np.isfinite(ways).all(axis=1)]
    if len(ways) < MIN_CASES:
        return None
    length = float(np.linalg.norm(ways.mean(axis=0)))
    expected = SMALLEST_SD_MM**2 + (RELATIVE_SD * length) ** 2
    offset, covariance = _spread(ways, expected)
    return offset, covariance, float(np.trace(covariance))


def _spread(
    ways: npt.NDArray[np.float64], expected: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and covariance of ways whose variance is expected to be such."""
    mean = ways.mean(axis=0)
    scatter = (ways - mean).T @ (ways - mean)
    n = len(ways) - 1 + PRIOR_CASES
    return mean, (scatter + PRIOR_CASES * expected * np.eye(3)) / n


def _lps_size_mm(grid: VoxelGrid) -> npt.NDArray[np.float64]:
    """Return the edges of the block around an image along L, P, S."""
    size: npt.NDArray[np.float64] = np.abs(grid.affine_lps[:3, :3]) @ grid.shape_ijk
    return size


def _spanning_tree(n: int, scatter: dict[Edge, float]) -> tuple[Edge, ...]:
    """Return the edges of least scatter that link as many as can be, roots first."""
    edges: list[Edge] = []
    reached: set[int] = set()
    for root in range(n):
        if root in reached:
            continue
        reached.add(root)
        while True:
            rim = [
                (cost, a, b)
                for edge, cost in scatter.items()
                for a, b in (edge, edge[::-1])
                if a in reached and b not in reached
            ]
            if not rim:
                break
            _, parent, child = min(rim)
            edges.append((parent, child))
            reached.add(child)
    return tuple(edges)


def _groups(
    ends_lps_mm: npt.NDArray[np.float64], radius_mm: float
) -> tuple[Consensus, ...]:
    """Return where starts of a landmark ended together, most of them first."""
    return basins(ends_lps_mm, radius_mm) if len(ends_lps_mm) else ()


def _near(
    ends_lps_mm: npt.NDArray[np.float64],
    places_lps_mm: npt.NDArray[np.float64],
    radius_mm: float,
) -> npt.NDArray[np.bool_]:
    """Return which ends are near which places, shape (n_places, n_ends)."""
    apart = places_lps_mm[:, None] - ends_lps_mm[None]
    near: npt.NDArray[np.bool_] = np.linalg.norm(apart, axis=-1) <= radius_mm
    return near


def _far_from(
    taken: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    radius_mm: float,
) -> npt.NDArray[np.float64]:
    """Return the places that are not near any that is taken."""
    return places[~_near(taken, places, radius_mm).any(axis=1)]


def _log_votes(
    ends_lps_mm: npt.NDArray[np.float64],
    places_lps_mm: npt.NDArray[np.float64],
    radius_mm: float,
) -> npt.NDArray[np.float64]:
    """Return the log of the share of starts that speak for a place."""
    votes = _near(ends_lps_mm, places_lps_mm, radius_mm).sum(axis=1)
    n = len(ends_lps_mm)
    scores: npt.NDArray[np.float64] = np.log((votes + NO_VOTE) / (n + NO_VOTE))
    return scores


def _own_place(
    groups: Sequence[Consensus], place: npt.NDArray[np.float64], radius_mm: float
) -> npt.NDArray[np.float64]:
    """Return where an agent's own starts ended near a place, else the place.

    Another's agents may have named it first, but its own know it best.
    """
    for group in groups:
        if np.linalg.norm(group.position_lps_mm - place) <= radius_mm:
            return group.position_lps_mm
    return place


def _result(
    result: LandmarkResult,
    ends_lps_mm: npt.NDArray[np.float64],
    place: npt.NDArray[np.float64],
    radius_mm: float,
) -> LandmarkResult:
    """Return a result at the place that was decided on."""
    members = _near(ends_lps_mm, place[None], radius_mm)[0]
    away = np.linalg.norm(ends_lps_mm[members] - place, axis=1)
    spread = float(np.sqrt(np.mean(away**2))) if members.any() else float("nan")
    agreement = float(members.mean())
    x, y, z = (float(v) for v in place)
    return replace(
        result,
        state=SearchState.FOUND,
        position_lps_mm=(x, y, z),
        spread_mm=spread,
        agreement=agreement,
        confidence=None if result.confidence is None else agreement,
    )
