"""Finds images that are the same, or nearly, without comparing each with each.

How near two images are is the distance of their grey thumbnails, each with its mean taken out and scaled to length 1, so that brightness
and contrast do not count: √(2 − 2·correlation), 0 for the same picture. What counts as near follows from the data: a share of the distance
at which images of this data set usually have their nearest neighbour. Digits are alike, so they must be nearer than photographs.

Candidates come from a k-d tree over the thumbnails' projections on a few orthonormal directions. A projection never lengthens a distance,
so no near pair is missed among the nearest neighbours that are asked for; the whole thumbnails then decide.

Source: Faloutsos, Ranganathan, Manolopoulos: Fast subsequence matching in time-series databases, 1994 (search below a lower bound).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_img.cores import cores
from automl_img.data.inspection.measures import Pixels, Records

DIRECTIONS = 16
NEIGHBOURS = 8  # that are looked at for each image; groups of more join through their members
SAMPLE = 2_000  # images by which the usual distance is known
USUAL = 0.75  # of the images have their nearest neighbour below the usual distance
COPIES = 0.07  # of the distance between any two images: nearer ones count once when the usual distance is taken
SCENE = 0.05  # of the images: so many that are all but the same are a scene in front of a fixed camera, and no copies
NEAREST = 0.15  # the most that counts as near in any data: a correlation of 0.989
WEAK = 8.0  # deviation in grey levels below which noise would be all that is compared
TINT = 12.0  # levels by which the tint may differ
CHUNK = 4096

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Groups:
    """Images that belong together.

    Attributes:
        number: int64, shape (n,): the group of each image; -1: it stands alone.
        exact: bool, shape (groups,): whether all of a group have the same pixels.
        distance: The distance below which images counted as near.
    """

    number: Places
    exact: npt.NDArray[np.bool_]
    distance: float

    def without_repeats(self, places: Places) -> Places:
        """Return ``places`` with the first image only of each group."""
        number = self.number[places]
        first = np.zeros(len(places), bool)
        first[np.unique(number, return_index=True)[1]] = True
        kept: Places = places[(number < 0) | first]
        return kept


def find_duplicates(records: Records, thumbs: Pixels, *, near: float, blank: float, seed: int = 0) -> Groups:
    """Group images that are the same or nearly the same.

    Args:
        records: Rows of :data:`~automl_img.data.inspection.measures.RECORD`, shape (n,); rows that were not seen are left out.
        thumbs: Grey thumbnails, shape (n, height, width).
        near: Share of the usual distance to the nearest neighbour below which two images are nearly the same; 0: only exact ones.
        blank: Images of a smaller deviation show nothing that could be compared; they are only matched exactly.
        seed: Decides the sample that the usual distance is taken from.
    """
    seen = np.flatnonzero(records["seen"])
    _, first, inverse = np.unique(records["digest"][seen], return_index=True, return_inverse=True)
    representative = seen[first][inverse]
    comparable = seen[first]
    comparable = np.sort(comparable[records["deviation"][comparable] >= max(blank, 1.0)])
    pairs, distance = near_pairs(thumbs, comparable, near=near, seed=seed)
    same_tint = np.abs(_tint(records, pairs[:, 0]) - _tint(records, pairs[:, 1])).max(axis=1, initial=0) <= TINT
    copies = seen != representative
    edges = np.concatenate([pairs[same_tint], np.stack([seen[copies], representative[copies]], axis=1)])
    return _grouped(edges, records["digest"], distance)


def near_pairs(thumbs: Pixels, places: Places, *, near: float, seed: int = 0) -> tuple[Places, float]:
    """Return pairs of nearly equal thumbnails among ``places``, shape (pairs, 2), and the distance below which they are."""
    none = np.zeros((0, 2), np.int64)
    if near <= 0 or len(places) < 2:
        return none, 0.0
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(seed)
    sample = _unit(thumbs[np.sort(random.choice(places, min(SAMPLE, len(places)), replace=False))])
    # While a search begins, another process loads TensorFlow: threads that wait for one another would make 0.1 s into seconds.
    with threadpool_limits(1, "blas"):
        distance = min(NEAREST, near * _usual_distance(sample))
        pixels = sample.shape[1]
        basis = eigh(sample.T @ sample, subset_by_index=(max(0, pixels - DIRECTIONS), pixels - 1))[1]
        projected = np.concatenate([_unit(thumbs[part]) @ basis for part in _parts(places)])
    candidates = places[_neighbours(projected, distance)]
    kept = [part[_distances(thumbs, part) <= distance] for part in _parts(candidates)]
    return np.concatenate([none, *kept]), distance


def _neighbours(projected: Floats, distance: float) -> Places:
    from scipy.spatial import cKDTree

    tree = cKDTree(projected)
    # The bound is exclusive and the projection rounded: a hair more, so that equal thumbnails are found too.
    found, which = tree.query(
        projected, k=NEIGHBOURS + 1, distance_upper_bound=distance * 1.001 + 1e-5, workers=cores()
    )
    one, place = np.nonzero(np.isfinite(found))
    other = which[one, place]
    pairs = np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)[one != other].astype(np.int64)
    return np.unique(pairs, axis=0) if len(pairs) else pairs


def _usual_distance(sample: Floats) -> float:
    """Return how far away the nearest neighbour usually is; of copies, images that are all but the same, one stands for all.

    Where most images have a copy, the usual distance would be that between copies, and none of them would be nearer than usual.
    If one stood for all of a scene, the usual distance would be that between scenes, and all pictures of one would be copies.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    likeness = sample @ sample.T
    length = (sample**2).sum(axis=1)
    between_any = 2 * max(0.0, float(length.mean() - likeness.mean()))  # the mean square of all distances
    copies = length[:, np.newaxis] + length - 2 * likeness < COPIES**2 * between_any
    count, which = connected_components(csr_matrix(copies), directed=False)
    if 1 < count < len(sample):
        kept = np.bincount(which)[which] > max(NEIGHBOURS, SCENE * len(sample))
        kept[np.unique(which, return_index=True)[1]] = True
        likeness, length = likeness[np.ix_(kept, kept)], length[kept]
    np.fill_diagonal(likeness, -1)
    best = likeness.argmax(axis=1)
    squared = length + length[best] - 2 * likeness.max(axis=1)
    return float(np.quantile(np.sqrt(np.maximum(squared, 0)), USUAL))


def _distances(thumbs: Pixels, pairs: Places) -> Floats:
    difference = _unit(thumbs[pairs[:, 0]]) - _unit(thumbs[pairs[:, 1]])
    distances: Floats = np.sqrt(np.square(difference).sum(axis=1))
    return distances


def _unit(thumbs: Pixels) -> Floats:
    """Take the mean out and scale to length 1, or below it where there is hardly any contrast; shape (n, pixels)."""
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(flat).mean(axis=1, keepdims=True))
    unit: Floats = flat / (np.maximum(deviation, WEAK) * np.float32(flat.shape[1] ** 0.5))
    return unit


def _tint(records: Records, places: Places) -> Floats:
    mean: Floats = records["mean"][places]
    tint: Floats = mean - mean.mean(axis=1, keepdims=True)
    return tint


def _parts(places: Places) -> list[Places]:
    return [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]


def _grouped(edges: Places, digests: npt.NDArray[np.bytes_], distance: float) -> Groups:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(digests)
    number = np.full(n, -1, np.int64)
    if not len(edges):
        return Groups(number, np.zeros(0, bool), distance)
    graph = coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    members = np.unique(edges)
    found, number[members] = np.unique(component[members], return_inverse=True)
    exact = np.ones(len(found), bool)
    differs = digests[edges[:, 0]] != digests[edges[:, 1]]
    exact[number[edges[differs, 0]]] = False
    return Groups(number, exact, distance)
