"""What a resumed training takes from a checkpoint beside its networks, checked against what it has itself."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from p2phd_eval.errors import InputError, shown
from p2phd_eval.tensor_files import tensor_fault

_DAMAGED = "Use another checkpoint of the run; or start a new run from this one's networks: --load-pretrain."
_MOMENTS = ("exp_avg", "exp_avg_sq")  # of Adam, as large as the weight
_FIXED = ("betas", "eps", "weight_decay", "amsgrad")  # settings of a group of weights that the configuration gives


def stored_part(state: object, key: str, where: str) -> Any:
    """Return a part of what was stored, by name; raise `InputError` if there is none."""
    if not isinstance(state, Mapping):
        raise InputError(where, expected="values by name", found=shown(state), fix=_DAMAGED)
    if key not in state:
        raise InputError(f"{where}, key {key!r}", expected="a value", found="nothing", fix=_DAMAGED)
    return state[key]


def stored_steps(state: object, key: str, where: str) -> int:
    """Return a number of steps that was stored; raise `InputError` if it is none."""
    value = stored_part(state, key, where)
    if type(value) is not int or not 0 <= value < 2**63:
        raise unfit(where, key, "a whole number of 0 or more", shown(value))
    return value


def adam_state(state: object, optimizer: torch.optim.Optimizer, where: str) -> dict[str, Any]:
    """Return what `optimizer.load_state_dict` takes, of what one like it stored.

    The moments are the stored ones; the settings of the groups are the optimizer's own. Raises `InputError` if they
    belong to other weights or settings, or are none; the key is named.
    """
    own = optimizer.state_dict()
    groups, stored = stored_part(state, "param_groups", where), stored_part(state, "state", where)
    if not isinstance(groups, Sequence) or len(groups) != len(own["param_groups"]):
        raise unfit(where, "param_groups", f"a list of {len(own['param_groups'])}", shown(groups))
    for group, ours in zip(groups, own["param_groups"], strict=True):
        place = f"{where}, param_groups"
        for key in ("params", *_FIXED):
            value = stored_part(group, key, place)
            if type(value) is not type(ours[key]) or repr(value) != repr(ours[key]):
                raise unfit(place, key, f"{ours[key]!r:.60}", f"{value!r:.60}" if key != "params" else "others")
    if not isinstance(stored, Mapping):
        raise unfit(where, "state", "moments by the number of their weight", shown(stored))
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, moments in stored.items():
        place = f"{where}, state"
        if type(number) is not int or not 0 <= number < len(weights):
            raise unfit(place, number, f"one of the {len(weights)} weights", "another")
        place = f"{place}, weight {number}"
        if not isinstance(moments, Mapping) or set(moments) != {"step", *_MOMENTS}:
            names = sorted(map(shown, moments)) if isinstance(moments, Mapping) else [shown(moments)]
            raise InputError(place, expected=f"step, {', '.join(_MOMENTS)}", found=", ".join(names), fix=_DAMAGED)
        for key in _MOMENTS:
            if fault := tensor_fault(moments[key], weights[number].shape):
                raise unfit(place, key, f"shape {tuple(weights[number].shape)} of real numbers", fault)
        fault = tensor_fault(moments["step"], ())
        if fault or not float(moments["step"]) >= 0 or math.isinf(float(moments["step"])):
            raise unfit(place, "step", "a number of 0 or more", fault or str(float(moments["step"])))
    return {"state": dict(stored), "param_groups": own["param_groups"]}


def scaler_state(state: object, scaler: torch.amp.GradScaler, where: str) -> dict[str, Any]:
    """Return what `scaler.load_state_dict` takes; raise `InputError` if a number is missing or no number."""
    checked = {}
    for key in scaler.state_dict():
        value = stored_part(state, key, where)
        if type(value) not in (int, float) or not 0 <= value < 3.4e38:
            raise unfit(where, key, "a number that is 0 or more", shown(value))
        checked[key] = value
    return checked


def restore_random(rng: Mapping[str, torch.Tensor], where: str) -> None:
    """Set torch's generators to the states that were stored; raise `InputError` if one is of another generator."""
    setters = {"torch": torch.set_rng_state}
    if torch.cuda.is_available():
        setters["cuda"] = torch.cuda.set_rng_state
    stored_part(rng, "torch", f"{where}, rng")
    for name, setter in setters.items():
        if name in rng:
            try:
                setter(rng[name])
            except (RuntimeError, TypeError) as error:  # torch alone knows which states there are
                reason = str(error).partition("\n")[0].rstrip(".")
                raise unfit(f"{where}, rng", name, "the state of a generator of random numbers", reason) from error


def unfit(where: str, key: object, expected: str, found: str) -> InputError:
    """Return the error of a value of a checkpoint that does not fit."""
    return InputError(f"{where}, key {shown(key)}", expected=expected, found=found, fix=_DAMAGED)
