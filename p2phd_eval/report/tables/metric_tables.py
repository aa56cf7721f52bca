"""The results of `fid` and `metrics` as tables."""

from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult
from p2phd_eval.evaluation.fid_of_sets import FidResult
from p2phd_eval.evaluation.metrics_of_sets import MetricsResult
from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.formatting import fixed_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.wording import PAIRINGS, draws_text, protocol_text
from p2phd_eval.stats.distances.cmmd import ClipDistance
from p2phd_eval.stats.distances.frechet import FrechetDistance
from p2phd_eval.stats.errors.intervals import FIDInterval


def fid_table(result: FidResult, real: str, fake: str) -> ResultTable:
    """Return the table of one FID."""
    n = min(result.n_real, result.n_fake)
    bootstrap = NOTHING if result.fid_se_bootstrap is None else f"{result.fid_se_bootstrap:.4g}"
    notes = [
        f"The standard errors are those of FID@{n}, at this number of images; {PAIRINGS[result.pairing]}.",
        f"FID@{n} is biased upward by about c/n: compare only FIDs of one n.",
        *_interval_notes(result.interval),
        *_block_notes(result),
        *map(str, result.precision_shifts),
    ]
    return ResultTable(
        title=f"FID of {fake} against {real}",
        columns=("quantity", "value"),
        rows=(
            (f"FID@{n}", f"{result.fid:.4f}"),
            ("standard error (influence)", f"{result.fid_se:.4g}"),
            (f"standard error ({result.replicates} bootstrap replicates)", bootstrap),
            *_interval_rows(result.interval),
            *_block_rows(result),
            ("images", f"{result.n_real} real, {result.n_fake} generated"),
            *_draws_rows(result),
            *_terms(result.distance),
            *_made_rows(result.real_stamp),
        ),
        notes=(*notes, *(f"warning: {warning}" for warning in result.warnings)),
    )


def statistics_table(result: StatisticsFidResult, real: str, fake: str) -> ResultTable:
    """Return the table of one FID that was computed from moments alone."""
    known = [n for n in (result.n_real, result.n_fake) if n is not None]
    numbers = ["unknown" if n is None else str(n) for n in (result.n_real, result.n_fake)]
    stamp = result.real_stamp or result.fake_stamp
    return ResultTable(
        title=f"FID of {fake} against {real}",
        columns=("quantity", "value"),
        rows=(
            (f"FID@{min(known)}" if len(known) == 2 else "FID", f"{result.fid:.4f}"),
            ("standard error", "not known from means and covariances alone"),
            ("images", f"{numbers[0]} real, {numbers[1]} generated"),
            *_terms(result.distance),
            *(() if stamp is None else _made_rows(stamp)),
        ),
        notes=(
            "FID is biased upward by about c/n: compare only FIDs of one n.",
            *(f"warning: {warning}" for warning in result.warnings),
        ),
    )


def metrics_table(result: MetricsResult, real: str, fake: str) -> ResultTable:
    """Return the table of all metrics."""
    fid, kid, neighbours = result.fid, result.kid, result.neighbours
    n, stamp = min(fid.n_real, fid.n_fake), fid.real_stamp
    fid_se = f"{fid.fid_se:.4g}"
    kernels = "KID" if result.cmmd is None else "KID and CMMD"
    return ResultTable(
        title=f"Metrics of {fake} against {real}",
        columns=("metric", "value", "standard error"),
        rows=(
            (f"FID@{n}", f"{fid.fid:.4f}", fid_se),
            *((*row, NOTHING) for row in _interval_rows(fid.interval)),
            ("FID-infinity", fixed_text(result.fid_infinity.value, 4), NOTHING),
            ("KID", fixed_text(kid.value, 6), f"{kid.se:.3g}"),
            *_cmmd_rows(result.cmmd),
            (f"precision (k = {neighbours.precision_k})", f"{neighbours.precision:.4f}", NOTHING),
            (f"recall (k = {neighbours.precision_k})", f"{neighbours.recall:.4f}", NOTHING),
            (f"density (k = {neighbours.density_k})", f"{neighbours.density:.4f}", NOTHING),
            (f"coverage (k = {neighbours.density_k})", f"{neighbours.coverage:.4f}", NOTHING),
            ("images", f"{fid.n_real} real, {fid.n_fake} generated", NOTHING),
            *((*row, NOTHING) for row in (*_draws_rows(fid), *_made_rows(stamp))),
        ),
        notes=(
            f"FID@{n} is biased upward by about c/n; FID-infinity takes off what a line can.",
            *_interval_notes(fid.interval),
            "KID (kernel inception distance) is unbiased, from all images, and may be negative.",
            *_cmmd_notes(result.cmmd),
            "Precision, recall, density and coverage depend on n: compare only those of one n.",
            f"Standard errors: influence functions for the FID, a jackknife for {kernels}; {PAIRINGS[fid.pairing]}.",
            *map(str, result.precision_shifts),
            *(f"warning: {warning}" for warning in result.warnings),
        ),
    )


def _cmmd_rows(found: ClipDistance | None) -> tuple[tuple[str, str, str], ...]:
    if found is None:
        return ()
    return (
        ("CMMD", fixed_text(found.value, 4), f"{found.se:.3g}"),
        ("CMMD with the diagonal", f"{found.with_diagonal:.4f}", NOTHING),
    )


def _cmmd_notes(found: ClipDistance | None) -> tuple[str, ...]:
    if found is None:
        return ()
    return (
        "CMMD (1000 x the squared MMD of CLIP's embeddings) is unbiased and may be negative; with the diagonal it is "
        "what the authors' code prints, biased upward by about c/n.",
    )


def _terms(distance: FrechetDistance) -> tuple[tuple[str, str], ...]:
    return (
        ("mean term", f"{distance.mean_term:.4f}"),
        ("covariance term", fixed_text(distance.trace_real + distance.trace_fake - 2 * distance.trace_sqrt, 4)),
    )


def _draws_rows(result: FidResult) -> tuple[tuple[str, str], ...]:
    """Return the row of conditions, seeds and clusters; none where each image is a draw of its own."""
    if result.samples is not None:
        return (("generated", draws_text(result.samples, result.clusters)),)
    return () if result.clusters is None else (("clusters", str(result.clusters)),)


def _made_rows(stamp: FeatureStamp) -> tuple[tuple[str, str], ...]:
    """Return the rows that say how features were made."""
    of_protocol = () if stamp.protocol is None else (("protocol", protocol_text(stamp)),)
    return (
        *of_protocol,
        ("features", f"{stamp.dims} of {stamp.weights} ({stamp.weights_sha256[:12]})"),
        ("resize", stamp.resize),
        ("computed on", f"{stamp.device} in {stamp.dtype}"),
        ("hash of the images", stamp.images_sha256[:12]),
        ("versions", f"p2phd-eval {stamp.tool}, torch {stamp.torch}, Pillow {stamp.pillow}"),
    )


def _interval_rows(interval: FIDInterval | None) -> tuple[tuple[str, str], ...]:
    """Return the rows of the FID of the distributions: its interval, or that there is none, and the diagnostics."""
    if interval is None:
        return (("FID of the distributions", "too few images to extrapolate"),)
    richardson = interval.population.richardson
    ratio = NOTHING if richardson.slope_ratio is None else f"{richardson.slope_ratio:.2f}"
    diagnostics = (
        ("slope ratio (2 where the bias is c/n)", ratio),
        ("bias gap", f"{fixed_text(interval.population.bias_gap, 2)} standard errors"),
    )
    if interval.interval is None:
        return (("FID of the distributions", "refused, see below"), *diagnostics)
    return (
        ("FID of the distributions (n to infinity)", fixed_text(interval.population.value, 4)),
        _interval_row(interval.confidence, interval.interval),
        *diagnostics,
    )


def _block_rows(result: FidResult) -> tuple[tuple[str, str], ...]:
    """Return the rows of the block FID of the distributions and of its reference; none without one."""
    if result.reference_stamp is None:
        return ()
    reference = ("reference", f"{result.reference_stamp.n} images of {result.reference_stamp.source}")
    if result.block_fid is None:
        return (("block FID", "too few images to extrapolate"), reference)
    population, interval = result.block_fid.population, result.block_fid.interval
    if interval is None:
        return (("block FID", "refused, see below"), reference)
    return (
        ("block FID (n to infinity)", fixed_text(population.value, 4)),
        _interval_row(result.block_fid.confidence, interval),
        ("its standard error", f"{population.error.value:.4g}"),
        reference,
    )


def _block_notes(result: FidResult) -> tuple[str, ...]:
    """Return what the block FID is, or why there is none."""
    if result.block_fid is None:
        return ()
    if result.block_fid.interval is None:
        return (f"No interval for the block FID: {result.block_fid.population.refusal}.",)
    return ("The block FID, summed over blocks of the reference's principal axes, is a lower bound of the FID.",)


def _interval_row(confidence: float, interval: tuple[float, float]) -> tuple[str, str]:
    low, high = interval
    return f"its {100 * confidence:.4g} % interval", f"({fixed_text(low, 4)}, {fixed_text(high, 4)})"


def _interval_notes(interval: FIDInterval | None) -> tuple[str, ...]:
    """Return the sentence that says why there is no interval."""
    if interval is None or interval.interval is not None:
        return ()
    return (f"No interval for the distributions' FID: {interval.population.refusal}.",)
