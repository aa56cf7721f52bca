"""Train pix2pixHD in fp32 and under AMP, and say with error bars whether the precision shows in the FID.

The names below are the front door: what the commands do, as calls with the same defaults. Each is loaded when it is
first used, so that importing the package takes no time.
"""

# `python -m p2phd_eval` runs this while the current folder is searched first: import only what is loaded.
from importlib import import_module

TYPE_CHECKING = False  # but for type checkers, who know the name

__version__ = "0.1.0"

_HOME = {
    "FeatureSettings": "p2phd_eval.features.feature_settings",
    "FidMetric": "p2phd_eval.features.metric",
    "InputError": "p2phd_eval.errors",
    "TrainConfig": "p2phd_eval.config",
    "apply_edits": "p2phd_eval.editing.apply_edits",
    "check_gate": "p2phd_eval.gate.check_gate",
    "compare_edits": "p2phd_eval.editing.compare_edits",
    "compare_fid": "p2phd_eval.stats.verdicts.compared_arms",
    "compare_images": "p2phd_eval.evaluation.compare_images",
    "compare_segmentations": "p2phd_eval.stats.segmentation.compared_scores",
    "compute_fid": "p2phd_eval.evaluation.compute_fid",
    "compute_metrics": "p2phd_eval.evaluation.compute_metrics",
    "export_onnx": "p2phd_eval.deployment.export_onnx",
    "extract_features": "p2phd_eval.features.extract_features",
    "fid_interval": "p2phd_eval.stats.errors.intervals",
    "generate": "p2phd_eval.generators.sampling.generation",
    "merge_features": "p2phd_eval.features.merge_features",
    "noise_floor": "p2phd_eval.quality.noise_floor",
    "plan_comparison": "p2phd_eval.planning",
    "random_edits": "p2phd_eval.editing.random_edits",
    "run_study": "p2phd_eval.study.run_study",
    "segmentation_score": "p2phd_eval.segmentation.segmentation_score",
    "train": "p2phd_eval.runs.training_run",
    "train_segmenter": "p2phd_eval.segmentation.train_segmenter",
    "write_report": "p2phd_eval.study.write_report",
}
__all__ = list(_HOME)

if TYPE_CHECKING:
    from p2phd_eval.config import TrainConfig as TrainConfig
    from p2phd_eval.deployment.export_onnx import export_onnx as export_onnx
    from p2phd_eval.editing.apply_edits import apply_edits as apply_edits
    from p2phd_eval.editing.compare_edits import compare_edits as compare_edits
    from p2phd_eval.editing.random_edits import random_edits as random_edits
    from p2phd_eval.errors import InputError as InputError
    from p2phd_eval.evaluation.compare_images import compare_images as compare_images
    from p2phd_eval.evaluation.compute_fid import compute_fid as compute_fid
    from p2phd_eval.evaluation.compute_metrics import compute_metrics as compute_metrics
    from p2phd_eval.features.extract_features import extract_features as extract_features
    from p2phd_eval.features.feature_settings import FeatureSettings as FeatureSettings
    from p2phd_eval.features.merge_features import merge_features as merge_features
    from p2phd_eval.features.metric import FidMetric as FidMetric
    from p2phd_eval.gate.check_gate import check_gate as check_gate
    from p2phd_eval.generators.sampling.generation import generate as generate
    from p2phd_eval.planning import plan_comparison as plan_comparison
    from p2phd_eval.quality.noise_floor import noise_floor as noise_floor
    from p2phd_eval.runs.training_run import train as train
    from p2phd_eval.segmentation.segmentation_score import segmentation_score as segmentation_score
    from p2phd_eval.segmentation.train_segmenter import train_segmenter as train_segmenter
    from p2phd_eval.stats.errors.intervals import fid_interval as fid_interval
    from p2phd_eval.stats.segmentation.compared_scores import compare_segmentations as compare_segmentations
    from p2phd_eval.stats.verdicts.compared_arms import compare_fid as compare_fid
    from p2phd_eval.study.run_study import run_study as run_study
    from p2phd_eval.study.write_report import write_report as write_report
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOME[name]), name)

    def __dir__():
        return [*__all__, *(name for name in globals() if name.startswith("__"))]
