"""What a training run needs to go on exactly where it stopped: weights, optimiser, random numbers, position."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from modeling.ml.files import replace_folder, settled_folder, write_json


@dataclass
class Position:
    """Where a run stands. `lines`: how many lines of metrics.jsonl belong to it; `kept`: metrics of the kept model."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    lines: int = 0
    elapsed_s: float = 0.0
    best: float | None = None
    kept: dict[str, Any] = field(default_factory=dict)


def save_state(
    folder: Path, at: Position, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    """Write the state; an older one stays until this one is complete."""
    tensors = {"rng": torch.get_rng_state()}
    if parameters[0].is_cuda:
        tensors["cuda_rng"] = torch.cuda.get_rng_state()
    for number, parameter in enumerate(parameters):
        tensors[f"{number}.value"] = parameter.detach().contiguous()
        for key, value in optimizer.state[parameter].items():
            tensors[f"{number}.{key}"] = value.contiguous()

    def fill(part: Path) -> None:
        save_file(tensors, part / "tensors.safetensors")
        write_json(part / "position.json", asdict(at))

    replace_folder(folder, fill)


def load_state(folder: Path, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer) -> Position | None:
    """Put weights, optimiser and random numbers back; None where no state was saved."""
    if not settled_folder(folder).exists():
        return None
    tensors = load_file(folder / "tensors.safetensors")
    torch.set_rng_state(tensors.pop("rng"))
    if "cuda_rng" in tensors:
        torch.cuda.set_rng_state(tensors.pop("cuda_rng"))
    parts: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        parts.setdefault(int(number), {})[key] = value
    for place, parameter in enumerate(parameters):
        _load_parameter(parameter, parts[place], optimizer)
    return Position(**json.loads((folder / "position.json").read_text(encoding="utf-8")))


def _load_parameter(parameter: nn.Parameter, parts: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    with torch.no_grad():
        parameter.copy_(parts.pop("value"))
    if parts:  # AdamW keeps its step count on the CPU, its moments beside the parameter
        optimizer.state[parameter] = {
            key: value if key == "step" else value.to(parameter.device) for key, value in parts.items()
        }
