"""The scores of a segmentation, and what they are called."""

from enum import Enum


class SegmentationScore(str, Enum):
    """A number that says how well class maps agree."""

    MEAN_IOU = "mean-iou"  # mean over classes of hits / (pixels that are of the class, or are taken for it)
    PIXEL_ACCURACY = "pixel-accuracy"  # share of all pixels that are hits
    MEAN_ACCURACY = "mean-accuracy"  # mean over classes of hits / pixels of the class
    FREQUENCY_WEIGHTED_IOU = "frequency-weighted-iou"  # mean IoU, each class by its share of the pixels


SCORE_NAMES = {
    SegmentationScore.MEAN_IOU: "mean IoU",
    SegmentationScore.PIXEL_ACCURACY: "pixel accuracy",
    SegmentationScore.MEAN_ACCURACY: "mean accuracy",
    SegmentationScore.FREQUENCY_WEIGHTED_IOU: "frequency-weighted IoU",
}
