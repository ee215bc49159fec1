"""Let torchvision load beside a torch without CUDA."""

from __future__ import annotations

from importlib.metadata import version

import torch


def allow_torchvision() -> None:
    """Declare the operators that PyPI's torchvision, built for CUDA, looks for on import and the transforms do not need."""
    if "+cpu" in torch.__version__ and "+cpu" not in version("torchvision"):
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
