"""Which images belong to one cluster, such as a city or a video sequence, read off their ids or from a table."""

import csv
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from p2phd_eval.errors import InputError, found_instead
from p2phd_eval.evaluation.pairing import examples
from p2phd_eval.images.condition_ids import condition_clusters, condition_of
from p2phd_eval.images.names import path_key
from p2phd_eval.stats.design import SamplingDesign

# cityscapesScripts' file names: <city>_<sequence>_<frame>_<type>; a folder may stand before them.
_PRESETS = {
    "cityscapes-city": r"(?:^|/)([^/_]+)_\d+_\d+[^/]*$",
    "cityscapes-sequence": r"(?:^|/)([^/_]+_\d+)_\d+[^/]*$",
}
_ID_COLUMNS = ("id", "stem")
_CLUSTER_COLUMN = "cluster"
_TAKEN = (
    f"a preset ({', '.join(_PRESETS)}), a regular expression on the stems, or a .csv file with the columns id and "
    f"{_CLUSTER_COLUMN}"
)


@dataclass(frozen=True, kw_only=True)
class ClusterRule:
    """A rule that gives each image the cluster it was drawn in."""

    text: str  # as the user gave it
    cluster_of: Callable[[str], str | None]  # from a condition to its cluster; None or "": the rule does not cover it

    def labels(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the cluster of each image, in the order of `ids`: that of its condition, whatever its seed.

        Parameters
        ----------
        ids : sequence of str
            Those of a `FeatureSet` or an `ImageSource`; they may repeat. ``frankfurt_000@3`` is the condition
            ``frankfurt_000`` with the seed 3.

        Raises
        ------
        InputError
            If the rule covers none of the images, or only some.
        """
        found = [self.cluster_of(condition_of(image)) for image in ids]
        # An empty label says no more than none: an expression that can match nothing matches every id.
        labels = tuple(label for label in found if label)
        if len(labels) == len(ids):
            return labels
        missing = {image for image, label in zip(ids, found, strict=True) if not label}
        raise InputError(
            f"--cluster-by {self.text}",
            expected=f"a cluster for each of {len(ids)} images",
            found=f"{'none' if not labels else f'{len(ids) - len(labels)} of them without one'}: {examples(missing)}",
            fix=f"Give a rule that covers every image: {_TAKEN}. Ids of images are their file names, without folders "
            "and endings.",
        )


def parse_rule(text: str) -> ClusterRule:
    r"""Return the rule that the user's text means.

    Parameters
    ----------
    text : str
        The first of these that it is:

        * a preset: "cityscapes-city" (``frankfurt_000000_000294`` is in ``frankfurt``) or "cityscapes-sequence" (it is
          in ``frankfurt_000000``; where a city has one frame a sequence, each image is its own cluster);
        * a file, ending in .csv: UTF-8, commas, a header with the columns ``id`` (or ``stem``) and ``cluster``, a line
          an image. Others may stand in it too. An id may be a file's path: its name is reduced as `pair_key` does,
          and its folders count where images of several folders have one name;
        * a regular expression, searched in each id: its first group is the cluster, or the whole match if it has none.

    Returns
    -------
    ClusterRule

    Raises
    ------
    InputError
        If the regular expression is invalid, or the file is missing, is no such table, or gives an image two clusters.

    Notes
    -----
    Ids of images in files have no folder, ``sub/stem.png`` is ``stem``, unless names repeat in several folders. Ids
    that were given to arrays or features may have one too; a regular expression sees it, and the presets look behind
    it.

    Examples
    --------
    The frames of CamVid are named by their video sequence, up to the first underscore:

    >>> parse_rule("^([^_]+)_").labels(["0001TP_006690", "0001TP_006720", "Seq05VD_f00000"])
    ('0001TP', '0001TP', 'Seq05VD')
    """
    if text in _PRESETS:
        return ClusterRule(text=text, cluster_of=_matcher(re.compile(_PRESETS[text])))
    if text.lower().endswith(".csv"):
        return ClusterRule(text=text, cluster_of=_by_path_or_name(_read_table(Path(text))))
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(
            f"--cluster-by {text}", expected=_TAKEN, found=f"an invalid regular expression: {error}"
        ) from error
    return ClusterRule(text=text, cluster_of=_matcher(pattern))


def as_rule(given: str | os.PathLike[str] | ClusterRule | None) -> ClusterRule | None:
    """Return the rule that is meant by a text or the path of a table (see `parse_rule`); rules and None as they are."""
    return parse_rule(os.fspath(given)) if isinstance(given, str | os.PathLike) else given


def cluster_labels(ids: Sequence[str], rule: ClusterRule | None) -> tuple[str, ...] | None:
    """Return the cluster of each image: that of the rule, or else its condition where conditions have several samples.

    None where each image is its own cluster. Raises `InputError` as `ClusterRule.labels`.
    """
    return condition_clusters(ids) if rule is None else rule.labels(ids)


def drawn_by_condition(
    real: Sequence[str], generated: Sequence[str], rule: ClusterRule | None, *, sets: int
) -> SamplingDesign:
    """The design of photos and samples of the same conditions: each condition is a draw, or each cluster of the rule.

    `real` and `generated`: ids of the real images, and of those of each of the other `sets` - 1 sets.
    """
    of_real, of_generated = (
        tuple(map(condition_of, ids)) if rule is None else rule.labels(ids) for ids in (real, generated)
    )
    return SamplingDesign.by_condition(of_real, of_generated, sets)


def _matcher(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    group = min(pattern.groups, 1)

    def cluster_of(image: str) -> str | None:
        match = pattern.search(image)
        return None if match is None else match[group]

    return cluster_of


def _by_path_or_name(clusters: dict[str, str]) -> Callable[[str], str | None]:
    """Look an id up by the path in the table, or by the name alone where all of that name are in one cluster."""
    of_name: dict[str, set[str]] = {}
    for path, cluster in clusters.items():
        of_name.setdefault(PurePosixPath(path).name, set()).add(cluster)
    alone = {name: next(iter(found)) for name, found in of_name.items() if len(found) == 1}
    return lambda image: clusters.get(image) or alone.get(image)


def _read_table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            header = next(lines, [])
            rows = [(lines.line_num, row) for row in lines if row]
    except OSError as error:
        raise _not_a_table(path, found_instead(error)) from error
    except UnicodeDecodeError as error:
        raise _not_a_table(path, f"bytes that are no UTF-8 text at byte {error.start}") from error
    except csv.Error as error:
        raise _not_a_table(path, f"what is no table with commas: {error}") from error
    columns = [column.strip() for column in header]
    id_columns = [column for column in columns if column in _ID_COLUMNS]
    if len(id_columns) != 1 or columns.count(_CLUSTER_COLUMN) != 1:
        raise _not_a_table(path, f"the columns {', '.join(map(repr, columns))}" if columns else "an empty file")
    id_place, cluster_place = columns.index(id_columns[0]), columns.index(_CLUSTER_COLUMN)
    clusters: dict[str, str] = {}
    for number, row in rows:
        cells = [cell.strip() for cell in row]
        if len(cells) != len(columns) or not cells[id_place] or not cells[cluster_place]:
            raise _not_a_table(path, f"line {number} with {row}")
        image, cluster = condition_of(path_key(cells[id_place])), cells[cluster_place]
        if clusters.setdefault(image, cluster) != cluster:
            raise InputError(
                f"{path}, line {number}",
                expected=f"one cluster for the image {image!r}",
                found=f"{cluster!r} after {clusters[image]!r}",
                fix="Remove one of the lines.",
            )
    return clusters


def _not_a_table(path: Path, found: str) -> InputError:
    return InputError(
        str(path),
        expected=f"a table in UTF-8, with commas and the columns id (or stem) and {_CLUSTER_COLUMN}, both filled",
        found=found,
        fix=f"Write it so:\nid,{_CLUSTER_COLUMN}\nfrankfurt_000000_000294,frankfurt",
    )
