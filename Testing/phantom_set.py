"""Write a folder of simulated phantoms for training: ``python -m Testing.phantom_set --output training/phantoms``."""

from __future__ import annotations

import argparse
from pathlib import Path

from DeformationLib.image_io import write_image
from DeformationLib.phantoms import two_part_phantom

FIRST_SEED = 1000
"""Training phantoms count from here, so that demonstrations with small seeds show unseen ones."""


def main() -> None:
    """Write ``images/phantom_NNNN.nii.gz`` and ``labels/phantom_NNNN.nii.gz``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=120)
    arguments = parser.parse_args()
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.count):
        image, labels = two_part_phantom(seed)
        write_image(image, arguments.output / "images" / f"phantom_{seed}.nii.gz")
        write_image(labels, arguments.output / "labels" / f"phantom_{seed}.nii.gz")


if __name__ == "__main__":
    main()
