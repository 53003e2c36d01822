"""Where a model computes, and what its processor is good at."""

from __future__ import annotations

import torch

from .errors import InputError


def checked_device(device: str) -> torch.device:
    """A torch device; ``"auto"`` is the GPU when there is one. Raises `InputError` for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        result = torch.device(device)
        torch.empty(1, device=result)
    except Exception as error:
        raise InputError(f"The device '{device}' cannot be used on this computer: choose cpu.") from error
    return result


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 numbers by itself; elsewhere they would be slower than single precision."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public question for CPUs; without an answer it is no.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Bfloat16 in the convolutions where it is asked for."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == torch.bfloat16)
