"""The configuration of the original's networks: from their keys and shapes, its `opt.txt`, and the user."""

from collections.abc import Mapping
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.generators.original.architecture import (
    State,
    discriminator_architecture,
    encoder_architecture,
    generator_architecture,
)
from p2phd_eval.generators.original.findings import Findings, Inferred
from p2phd_eval.generators.original.options import OPTIONS_FILE, read_options

_DISCRIMINATOR = (
    *("discriminator.ndf", "discriminator.n_layers", "discriminator.n_scales", "discriminator.norm"),
    "objective.feature_matching",
)
# What no network shows. Where it is not recorded, the original's default is assumed.
_UNSEEN = (
    *("data.load_size", "data.crop_size", "data.flip", "objective.gan", "objective.lambda_feat"),
    *("objective.pool_size", "precision", "lr", "beta1", "epochs", "epochs_decay", "batch_size"),
)


def infer_config(
    networks: Mapping[str, State], files: Mapping[str, Path], *, label_nc: int | None, instances: bool | None
) -> Inferred:
    """Infer the configuration of the networks "G" and, as far as they are there, "D" and "E".

    `networks`: their state dicts. `files`: their files; `opt.txt` is looked for beside G's. `label_nc` and `instances`:
    what the user knows; None: look at the files. Raises `InputError` if a network is another than pix2pixHD's, or the
    sources contradict one another; both are named.
    """
    generator = generator_architecture(networks["G"], str(files["G"]))
    findings = Findings(
        options_file=files["G"].parent / OPTIONS_FILE,
        recorded=read_options(files["G"].parent / OPTIONS_FILE),
        given={"data.label_nc": label_nc, "data.instances": instances},
    )
    for setting, value in generator.settings.items():
        findings.settle(setting, seen=value, evidence=files["G"])

    conditioning = None  # channels of the generator's input that are not features
    if "D" in networks:
        discriminator = discriminator_architecture(networks["D"], str(files["D"]))
        conditioning = discriminator.in_channels - 3
        for setting, value in discriminator.settings.items():
            findings.settle(setting, seen=value, evidence=files["D"])
    else:
        for setting in _DISCRIMINATOR:
            findings.settle(setting)
    if "E" in networks:
        encoder = encoder_architecture(networks["E"], str(files["E"]))
        without_features = generator.in_channels - encoder.settings["features.n_features"]
        if conditioning not in (None, without_features):
            raise InputError(
                f"{files['E']}, output channels",
                expected=f"{generator.in_channels - conditioning}, by the inputs of G and D",
                found=str(encoder.settings["features.n_features"]),
                fix="Give a folder whose files belong to one training.",
            )
        conditioning = without_features
        for setting, value in encoder.settings.items():
            findings.settle(setting, seen=value, evidence=files["E"])
    conditioning = _settle_input(findings, generator.in_channels, conditioning, files["G"])
    _settle_features(findings, generator.in_channels - conditioning, networks, files)
    # The original's scripts for local enhancers keep the size of the images.
    findings.settle("data.resize", assumed="none" if findings.values["generator.kind"] == "local" else "scale_width")
    # The original's VGG loss is on unless it is switched off.
    findings.settle("objective.vgg", assumed="torchvision")
    for setting in _UNSEEN:
        findings.settle(setting)
    if findings.values["generator.kind"] == "local":
        findings.settle("epochs_fix_global")
    return findings.result()


def _settle_input(findings: Findings, in_channels: int, conditioning: int | None, file: Path) -> int:
    """Settle classes and edges, which add up to the generator's input without features; return their channels."""
    label_nc, instances = findings.known("data.label_nc"), findings.known("data.instances")
    if conditioning is None:
        conditioning = _conditioning_channels(findings, in_channels)
    # Most plausible first: the original's default is to have edges, but a photo is more likely than 2 or 3 classes.
    readings = [(0, conditioning == 4)] if conditioning in (3, 4) else []
    readings += [(n, edges) for n, edges in ((conditioning - 1, True), (conditioning, False)) if n > 0]
    fitting = [(n, edges) for n, edges in readings if label_nc in (None, n) and instances in (None, edges)]
    if not fitting:
        known = {"label_nc": label_nc, "instances": instances}
        raise InputError(
            f"{file}, {conditioning} input channels",
            expected=_listing(readings),
            found=", ".join(f"{name} {value}" for name, value in known.items() if value is not None),
            fix=f"Correct --label-nc or --instances, or the {OPTIONS_FILE} beside the file.",
        )
    if label_nc is None and instances is None and len(fitting) > 1:
        findings.notes.append(
            f"{conditioning} input channels may be {_listing(fitting)}; the first is assumed. "
            "--label-nc and --instances say otherwise."
        )
    for setting, known, other, value in (
        ("data.label_nc", label_nc, instances, fitting[0][0]),
        ("data.instances", instances, label_nc, fitting[0][1]),
    ):
        if known is None and other is not None:
            findings.settle(setting, seen=value, evidence=file)
        else:
            findings.settle(setting, assumed=value)
    return conditioning


def _conditioning_channels(findings: Findings, in_channels: int) -> int:
    """Return the channels that are not features where neither D nor E shows them."""
    kind, label_nc = findings.known("features.kind"), findings.known("data.label_nc")
    if kind is not None:
        return in_channels - (0 if kind == "none" else findings.known("features.n_features") or 3)
    if label_nc is None:
        return in_channels
    # Features are what the classes leave over.
    fits = [(label_nc or 3) + edges for edges in (True, False) if findings.known("data.instances") in (None, edges)]
    return in_channels if in_channels in fits else fits[0]


def _settle_features(
    findings: Findings, n_features: int, networks: Mapping[str, State], files: Mapping[str, Path]
) -> None:
    """Settle the features that make up the rest of the generator's input."""
    known = findings.known("features.kind")
    # Without an encoder they come from PNG files, which have 3 channels.
    if n_features < 0 or (known is None and "E" not in networks and n_features not in (0, 3)):
        raise InputError(
            str(files["G"]),
            expected="an input of classes, edges and features that the other files and the options allow",
            found=f"{n_features} channels left for features",
            fix="Correct --label-nc or --instances, or give a folder with all files of one training.",
        )
    if n_features == 0:
        findings.settle("features.kind", seen="none", evidence=files["G"])
        return
    if known == "none":
        findings.settle("features.kind", seen="instance", evidence=files["G"])
    findings.settle("features.kind", assumed="instance" if findings.values["data.instances"] else "label")
    findings.settle("features.n_features", seen=n_features, evidence=files["G"])
    # An encoder may lie beside networks that were trained on its features without it.
    if findings.known("features.precomputed") is None:
        findings.settle("features.precomputed", seen="E" not in networks, evidence=files["G"])
    else:
        findings.settle("features.precomputed")
    if not findings.values["features.precomputed"] and "E" not in networks:
        missing = files["G"].name.replace("_net_G", "_net_E")
        raise InputError(
            str(files["G"].parent),
            expected=f"{missing}, since {OPTIONS_FILE} says that an encoder was trained",
            found="none",
            fix=f"Copy {missing} there, or set load_features to True in {OPTIONS_FILE}.",
        )


def _listing(readings: list[tuple[int, bool]]) -> str:
    return " or ".join(f"label_nc {n} with{'' if edges else 'out'} instances" for n, edges in readings)
