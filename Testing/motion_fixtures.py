"""A small motion model with random weights, and cine sequences of phantoms in the scene, for the tests."""

from __future__ import annotations

import torch

from DeformationLib.bundle import write_bundle
from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE, BeatingHeart
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from LatentRegistrationLib.velocity_network import VelocityNetworkConfiguration
from Testing.velocity_fixtures import FLAT, small_heart

NAMES = {RIGHT_VENTRICLE: "RV", MYOCARDIUM: "Myocardium", POOL: "LV"}
"""Names of the segments of a phantom's segmentation."""

HEART = small_heart(0, frames=6, slices=3, contraction=1.0)
"""Six frames of 3 x 32 x 32 voxels."""

OTHER = small_heart(1, frames=5, slices=3, contraction=0.7)
"""Another subject, with a series of another length."""


def motion_network(grid: PairGrid = FLAT, strength: float = 4.0, seed: int = 0, **changes):
    """A network with random weights whose velocities, for motion drawn from its prior, reach ``strength`` mm."""
    from MotionModelLib.motion_network import MotionNetwork, MotionNetworkConfiguration

    torch.manual_seed(seed)
    pair = VelocityNetworkConfiguration(grid.size, grid.spacing, widths=(4, 6), latent=5, scales=2, smoothing=6.0)
    values = {"slots": 34, "prior": "gaussian-process"} | changes
    network = MotionNetwork(MotionNetworkConfiguration(pair, **values)).eval()
    network.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 1, *grid.size, generator=generator)
    times = torch.arange(0.0, network.configuration.slots + 1, 5.0)
    codes = network.codes_at(network.sample_prior(image, generator), times)
    spacing = torch.tensor(grid.spacing).view(-1, *[1] * grid.dimension)
    for _ in range(6):  # a bounded output bends the proportion
        largest = float((network.decode(codes, image, times)[0] * spacing).abs().max())
        for head in _heads(network):
            head.weight.mul_(strength / largest)
    return network


def motion_card(network, grid: PairGrid, name: str = "random motion", periodic: bool = True) -> dict:
    """What a bundle of such a network says about itself."""
    configuration = network.configuration
    return {
        "name": name,
        "purpose": "Tests.",
        "model": {"class": "MotionNetwork", "configuration": _card_values(configuration)},
        "grid": {
            "size": list(grid.size),
            "axes": "kji"[-grid.dimension :],
            "spacing_mm": list(grid.spacing),
            "frame": grid.frame,
        },
        "sequence": {"slots": configuration.slots, "periodic": periodic},
        "training": {},
        "accuracy": {},
    }


def motion_bundle(folder, grid: PairGrid = FLAT, name: str = "random motion", periodic: bool = True, **changes):
    """A bundle on disk; `velocity_fixtures.FLAT` makes a model of slices, `GRID` one of volumes."""
    network = motion_network(grid, **changes)
    card = motion_card(network, grid, name, periodic)
    return write_bundle(folder / name.replace(" ", "-"), card, {"network": network.state_dict()})


def add_cine(scene, frames: list[Image], name: str = "Cine", interval: float | None = 40.0, browser: bool = True):
    """A sequence of volumes as Slicer loads a 4-D file: one browser, whose proxy volume shows the selected frame.

    `interval`: of the index in ms; None numbers the frames. Returns the sequence and the browser (None without).
    """
    import slicer

    from DeformationSceneLib.volumes import update_volume

    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("frame" if interval is None else "time")
    sequence.SetIndexUnit("" if interval is None else "ms")
    for number, frame in enumerate(frames):
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(name)
        update_volume(node, frame)
        sequence.SetDataNodeAtValue(node, f"{number * (interval or 1.0):g}")
    if not browser:
        return sequence, None
    node = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
    node.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(node)
    return sequence, node


def add_heart(scene, heart: BeatingHeart = HEART, name: str = "Cine", reference: int = 0, **further):
    """The cine sequence of a phantom, its browser, and the segmentation of one of its frames."""
    from DeformationSceneLib.segmentations import add_segmentation

    sequence, browser = add_cine(scene, heart.frames, name, **further)
    parts = add_segmentation(scene, heart.labels[reference], f"{name} heart", names=NAMES)
    return sequence, browser, parts


def _heads(network):
    """The last convolutions of the decoder, one per scale."""
    decoders = [module for module in network.modules() if hasattr(module, "heads")]
    return [head for decoder in decoders for head in decoder.heads]


def _card_values(configuration) -> dict:
    """A configuration as JSON holds it."""
    pair = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(configuration.pair).items()}
    return vars(configuration) | {"pair": pair}
