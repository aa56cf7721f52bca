"""What an option that a command does not have is called here, for whoever comes from another tool."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

# The options of the original that have another name here, or none; docs/from-pix2pixHD.md has all of them.
_ORIGINAL = {
    "name": "--out",
    "checkpoints_dir": "--out",
    "dataroot": "the first argument, DATA",
    "model": "gone: there is one model",
    "gpu_ids": "--device, or torchrun --nproc-per-node for several GPUs",
    "local_rank": "gone: torchrun's variables are read",
    "fp16": "--amp of `train`, or --precision",
    "data_type": "--precision",
    "use_dropout": "--dropout",
    "fineSize": "--crop-size",
    "no_instance": "--no-instances",
    "input_nc": "gone: images are RGB",
    "output_nc": "gone: images are RGB",
    "serial_batches": "gone: the order follows from --seed",
    "max_dataset_size": "gone: use a folder with fewer files",
    "nThreads": "--workers",
    "netG": "--generator",
    "n_downsample_global": "--n-downsample",
    "n_blocks_global": "--n-blocks",
    "instance_feat": "--features instance",
    "label_feat": "--features label",
    "feat_num": "--n-features",
    "n_clusters": "--clusters of `encode cluster`",
    "cluster_path": "--clusters of `generate`",
    "use_encoded_image": "--style photo",
    "n_layers_D": "--n-layers-d",
    "no_lsgan": "--gan vanilla",
    "no_ganFeat_loss": "--no-feature-matching",
    "no_vgg_loss": "--vgg none",
    "niter": "--epochs",
    "niter_decay": "--epochs-decay",
    "continue_train": "--resume",
    "print_freq": "--log-every",
    "display_freq": "--grid-every",
    "save_latest_freq": "--checkpoint-every",
    "save_epoch_freq": "--keep-every",
    "tf_log": "--track tensorboard",
    "no_html": "gone: no web page is written while training",
    "display_winsize": "gone: no web page is written while training",
    "debug": "gone: use --epochs 1 --log-every 1",
    "verbose": "--dry-run",
    "results_dir": "--out",
    "how_many": "--limit",
    "ntest": "gone: it was not used there either",
    "aspect_ratio": "gone: it was not used there either",
    "export_onnx": "`p2phd-eval export onnx RUN --out FILE`",
    "engine": "--engine tensorrt",
    "onnx": "--engine tensorrt --graph FILE, of `generate`",
}
# Those of pytorch-fid, torch-fidelity and clean-fid.
_FID_TOOLS = {
    "batch-size": "gone: no result depends on it",
    "num-workers": "--workers",
    "save-stats": "`p2phd-eval features IMAGES --out FILE --statistics`",
    "gpu": "--device cuda:0",
    "cpu": "--device cpu",
    "cuda": "--device cuda",
    "input1": "an argument: `p2phd-eval fid REAL FAKE`",
    "input2": "an argument: `p2phd-eval fid REAL FAKE`",
    "fid": "`p2phd-eval fid`",
    "kid": "`p2phd-eval metrics`",
    "prc": "`p2phd-eval metrics`",
    "isc": "gone: the inception score is not computed",
    "ppl": "gone: path lengths are not computed",
    "feature-extractor": "--feature-network",
    "feature-extractor-weights-path": "--feature-weights",
    "feature-layer-fid": "--dims",
    "kid-subsets": "gone: KID is computed over all images",
    "kid-subset-size": "gone: KID is computed over all images",
    "samples-find-deep": "gone: folders inside folders are read anyway",
    "cache-root": "the environment variable P2PHD_EVAL_CACHE",
    "rng-seed": "--seed",
    "mode": "--resize",
    "model-name": "--feature-network",
    "dataset-name": "a statistics file in place of REAL",
}
# What options of 0.1.0 are called now: they are still taken, for the scripts of whoever has some.
_RENAMED = {
    "features": "--feature-network",
    "resize": "--resize-or-crop",
    "precision": "--half-width",
    "cache": "--decoded-cache",
    "weights": "--feature-weights",
}
_MEASURING = ("fid", "metrics", "compare", "features")


def hint(option: str, command: str, options: Mapping[str, frozenset[str]]) -> str:
    """Say what to use instead of an option that a command does not have.

    `option`: the option as it was typed, such as ``--gpu_ids``. `command`: the command, such as ``encode cluster``.
    `options`: the long options of every command, this one among them. The result is a sentence or two, or nothing where
    no option comes near.
    """
    key = _key(option)
    own = {_key(name): name for name in sorted(options[command])}
    if key in own:
        return f"Did you mean {own[key]}?"
    if command == "weights verify" and key == "weights":
        return "Give the file as an argument: `p2phd-eval weights verify FILE`."
    tables = [("pix2pixHD", _ORIGINAL), ("another FID tool", _FID_TOOLS)]
    for tool, table in reversed(tables) if command in _MEASURING else tables:
        there = next((there for name, there in table.items() if _key(name) == key), None)
        if there is not None:
            more = " All of its options: docs/from-pix2pixHD.md." if table is _ORIGINAL else ""
            if there.startswith("gone: "):
                return f"From {tool}? It is not needed here: {there.removeprefix('gone: ')}.{more}"
            named = set(re.findall(r"--[a-z0-9-]+", there))
            where = "" if "`" in there or not named or named & options[command] else _of(min(named), options)
            return f"From {tool}? Here it is {there}{where}.{more}"
    sentences = []
    if near := get_close_matches(key, own, n=1, cutoff=0.8):
        sentences.append(f"Did you mean {own[near[0]]}?")
    if known := next((name for names in options.values() for name in names if _key(name) == key), None):
        sentences.append(f"{known} is an option{_of(known, options)}.")
    return " ".join(sentences)


def renamed(typed: Sequence[str], options: Mapping[str, frozenset[str]]) -> tuple[list[str], tuple[str, ...]]:
    """Put today's names in place of those that options had in 0.1.0; return what is typed then, and what to say of it.

    `typed`: the command line behind the program's name. `options`: as of `hint`.
    """
    words = [word for word in typed[:3] if not word.startswith("-")]
    command = next((name for n in (2, 1) if (name := " ".join(words[:n])) in options), "")
    found, notes = [], []
    for word in typed:
        old, equals, value = word.partition("=")
        now = _RENAMED.get(old.removeprefix("--")) if old.startswith("--") else None
        if now in options[command] and old not in options[command]:
            notes.append(f"{old} is called {now} now; the old name will go.")
            word = f"{now}{equals}{value}"
        found.append(word)
    return found, tuple(notes)


def _key(option: str) -> str:
    """Reduce an option to what people remember of it: neither underscores and dashes nor capitals count."""
    return re.sub(r"[-_]", "", option).lower()


def _of(option: str, options: Mapping[str, frozenset[str]]) -> str:
    commands = [f"`{command}`" for command, names in options.items() if option in names]
    return f" of {', '.join(commands)}" if commands else ""
