"""What is opened, held against a protocol before anything is computed."""

from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.features.inputs import naming_choices
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.images.protocols import Protocol, find_protocol
from p2phd_eval.images.sources.protocol_source import ProtocolSource
from p2phd_eval.images.sources.source import ImageSource


def all_under_protocol(
    given: str | Protocol | None, settings: FeatureSettings, inputs: list[Any], reference: Any = None
) -> tuple[list[Any], Any]:
    """Hold opened sets against a protocol before anything is computed; without one they are returned as they are.

    `inputs`: the real images, then the generated ones. `reference`: training photos, which are brought to the
    protocol's size and are on no list, or None. Raises `InputError` as `under_protocol`.
    """
    if given is None:
        return inputs, reference
    protocol = find_protocol(given)
    require_protocol_settings(settings, protocol)
    with naming_choices(inputs):
        held = [under_protocol(each, protocol, photos=k == 0) for k, each in enumerate(inputs)]
    if reference is not None:
        reference = under_protocol(reference, protocol, photos=True, listed=False)
    return held, reference


def require_protocol_settings(settings: FeatureSettings, protocol: Protocol) -> None:
    """Raise InputError unless features are pytorch-fid's, in which all protocols compute their FID."""
    found = (settings.network, settings.resize, settings.dims, settings.precision)
    if found != (None, Resize.LEGACY_PYTORCH, 2048, FeaturePrecision.FP32):
        raise InputError(
            f"--protocol {protocol.name}",
            expected="the features of pytorch-fid: no --feature-network, --resize, --dims or --feature-precision",
            found=", ".join(str(getattr(each, "value", each)) for each in found if each is not None),
            fix="Leave them out, or leave out the protocol.",
        )


def under_protocol(opened: Any, protocol: Protocol, *, photos: bool, listed: bool = True) -> Any:
    """Hold what `open_input` gave against a protocol; images come back at its size.

    `photos`: whether they may be photos, which are resized. `listed`: whether they are the protocol's own images;
    training photos are not. Raises `InputError` if images or features are not those of the protocol, or were extracted
    without it.
    """
    if isinstance(opened, ImageSource):
        return ProtocolSource(opened, protocol, photos=photos, listed=listed)
    if not isinstance(opened, FeatureSet | Statistics):
        raise InputError(
            f"--protocol {protocol.name}", expected="images in files, or features of them", found="images in memory"
        )
    stamp = opened.stamp
    where = str(opened.path) if isinstance(opened, Statistics) else f"features of {opened.stamp.source}"
    if stamp is None or stamp.protocol != protocol.name:
        raise InputError(
            where,
            expected=f"features that were extracted under {protocol.name}",
            found="none that say so" if stamp is None or stamp.protocol is None else stamp.protocol,
            fix=f"Extract them with --protocol {protocol.name}, or give the images.",
        )
    if stamp.resized is not None and not photos:
        raise _resized_samples(where, stamp, protocol)
    if listed and isinstance(opened, FeatureSet):
        protocol.require_ids(where, opened.ids)
    return opened


def _resized_samples(where: str, stamp: FeatureStamp, protocol: Protocol) -> InputError:
    width, height = protocol.size
    return InputError(
        where,
        expected=f"generated images of {width} x {height} pixels, as {protocol.name} has them",
        found=f"images that were resized ({stamp.resized}) when their features were extracted",
        fix="Generate at that size: generated images are not resized.",
    )
