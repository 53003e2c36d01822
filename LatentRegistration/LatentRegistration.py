"""LatentRegistration: learned deformable registration whose latent space can be looked into."""

import logging
from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class LatentRegistration(ScriptedLoadableModule):
    """Title, help and acknowledgement of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Latent Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["LatentMotion contributors"]
        parent.helpText = _(
            "Learned deformable registration whose latent space can be looked into: register two volumes, and deform an "
            "image along the components of deformation that a model has found in its training population. "
            "For research only, not for clinical use."
        )
        parent.acknowledgementText = _(
            "Method: T. Estienne et al., Exploring Deep Registration Latent Spaces, DART at MICCAI 2021. "
            "Bundled models: trained on the Medical Segmentation Decathlon, Task 04 (A. L. Simpson et al., 2019, CC BY-SA 4.0)."
        )
        # The logic is used from the Python console and by other modules; it has no panel of its own.
        parent.widgetRepresentationCreationEnabled = False


@dataclass
class RegistrationNodes:
    """Nodes that a registration has put into the scene; those that were not asked for are None.

    Attributes:
        transform: grid transform whose FromParent maps fixed points to moving ones; the moving volume put under it aligns.
        warped: the moving volume on the fixed volume's grid.
        inverse: grid transform of the inverse displacement; the fixed volume put under it aligns with the moving one.
        jacobian: volume of the Jacobian determinant on the fixed volume's grid.
        segmentation: the moving segmentation, or label map volume, on the fixed volume's grid.
        result: the `DeformationLib.registration.RegistrationResult` behind them: fields, warnings, figures, files.
    """

    transform: object = None
    warped: object = None
    inverse: object = None
    jacobian: object = None
    segmentation: object = None
    result: object = None


@dataclass
class ComponentNodes:
    """Nodes that show one component of deformation on one image; those that were not asked for are None.

    Attributes:
        transform: grid transform of the displacement; shown as arrows or grid it tells what the component does.
        warped: the deformed image.
        segmentation: the deformed segmentation or label map.
    """

    transform: object = None
    warped: object = None
    segmentation: object = None


class LatentRegistrationLogic(ScriptedLoadableModuleLogic):
    """Registers volumes of the scene and explores components of deformation; needs no window.

    >>> logic = LatentRegistrationLogic()
    >>> nodes = logic.registerVolumes(fixedNode, movingNode, model="hippocampus")
    >>> movingNode.SetAndObserveTransformNodeID(nodes.transform.GetID())
    """

    def __init__(self, parent=None):
        super().__init__(parent)
        self._models: dict[tuple[str, str], object] = {}

    def modelNames(self) -> list[str]:
        """Names of the installed models."""
        from DeformationLib.bundle import catalogue

        return list(catalogue())

    def model(self, name: str = "hippocampus", device: str = "auto"):
        """A loaded `LatentRegistrationLib.model.RegistrationModel`, by name or folder; kept for the next call."""
        from LatentRegistrationLib.model import RegistrationModel

        key = (str(name), device)
        if key not in self._models:
            self._models[key] = RegistrationModel.load(name, device)
        return self._models[key]

    def registerVolumes(
        self,
        fixedNode,
        movingNode,
        model: str = "hippocampus",
        movingSegmentationNode=None,
        *,
        warped: bool = True,
        inverse: bool = False,
        jacobian: bool = False,
        alignment: str = "centres",
        device: str = "auto",
        progress=None,
    ) -> RegistrationNodes:
        """Register two scalar volumes and put the outputs beside them; the inputs are not changed.

        Volumes are registered where they lie in the world, their parent transforms included. A moving volume without a
        parent transform aligns when it is put under the output transform; one that has a parent aligns when that parent
        is put under it.

        Args:
            fixedNode: volume whose grid the outputs are on.
            movingNode: volume that is deformed.
            model: name of an installed model, or a model's folder.
            movingSegmentationNode: segmentation or label map volume of the moving volume, to be warped along.
            warped, inverse, jacobian: which outputs to make besides the transform.
            alignment: "centres" puts the volumes' centres on each other first; "none" trusts their positions.
            device: "auto", "cpu", "cuda", ...
            progress: `DeformationLib.progress.Progress`, to report and to cancel.

        Raises:
            InputError: a sentence for the user about inputs that cannot be registered; the scene is as it was.
            Cancelled: when `progress` was cancelled; the scene is as it was.
        """
        from DeformationLib.progress import Progress
        from DeformationSceneLib.placement import scene_as_it_was_on_failure
        from DeformationSceneLib.volumes import image_from_volume, show_jacobian

        progress = progress or Progress()
        fixed, moving = image_from_volume(fixedNode), image_from_volume(movingNode)
        result = self.model(model, device).register(fixed, moving, alignment, progress=progress.part(0.0, 0.7))
        with scene_as_it_was_on_failure(fixedNode.GetScene()):
            nodes = self._addTransforms(result, fixedNode, movingNode, inverse)
            progress.report(0.8, _("Warping"))
            if warped:
                nodes.warped = self._addVolume(result.warp(moving), movingNode, fixedNode)
            if jacobian:
                nodes.jacobian = self._addVolume(result.jacobian(), movingNode, fixedNode, "Jacobian")
                show_jacobian(nodes.jacobian)
            if movingSegmentationNode is not None:
                progress.report(0.9, _("Warping the segmentation"))
                nodes.segmentation = self._warpSegmentation(
                    movingSegmentationNode, moving, lambda labels: result.warp(labels, labels=True), fixedNode
                )
            progress.report(1.0, _("Registered"))
        for warning in result.warnings:  # now, since computing the inverse may have added one
            logging.warning(warning)
        return nodes

    def explorer(self, imageNode, model: str = "hippocampus", device: str = "auto"):
        """The `LatentRegistrationLib.explorer.Explorer` of a volume: its components, their spread, its coefficients."""
        from DeformationSceneLib.volumes import image_from_volume

        return self.model(model, device).explorer(image_from_volume(imageNode))

    def decomposeVolume(
        self,
        imageNode,
        component: int = 0,
        amplitude: float = 0.0,
        segmentationNode=None,
        *,
        explorer=None,
        model: str = "hippocampus",
        warped: bool = False,
        display: str | None = "arrows",
    ) -> ComponentNodes:
        """Deform a volume and its labels along one component of the model's latent space.

        Args:
            imageNode: scalar volume.
            component: counted from 0.
            amplitude: in units of the code; `explorer.standard_deviations` tells the spread of the population.
            segmentationNode: segmentation or label map volume of the image, to be deformed along.
            explorer: from an earlier call of `explorer` for the same volume, which saves encoding it again.
            model: name or folder, when no explorer is given.
            warped: whether to add the deformed image.
            display: "arrows", "grid", "contours" or None: how slice views show the transform.

        Raises:
            InputError: for unusable inputs and components that the model does not have; the scene is as it was.
        """
        from DeformationLib.registration import warp_image, warp_labels
        from DeformationSceneLib.placement import place_beside, scene_as_it_was_on_failure, unique_name
        from DeformationSceneLib.transforms import add_displacement_transform, show_transform
        from DeformationSceneLib.volumes import add_volume

        explorer = explorer or self.explorer(imageNode, model)
        displacement = explorer.displacement(component, amplitude)
        scene = imageNode.GetScene()
        what = f"component {component + 1} at {amplitude:+.3g}"
        nodes = ComponentNodes()
        with scene_as_it_was_on_failure(scene):
            name = unique_name(scene, f"{imageNode.GetName()} {what}")
            nodes.transform = add_displacement_transform(scene, displacement, name, imageNode, imageNode)
            place_beside(nodes.transform, imageNode)
            show_transform(nodes.transform, display)
            if warped:
                name = unique_name(scene, f"{imageNode.GetName()} deformed by {what}")
                nodes.warped = add_volume(scene, warp_image(explorer.image, displacement), name, like=imageNode)
                place_beside(nodes.warped, imageNode)
            if segmentationNode is not None:
                nodes.segmentation = self._warpSegmentation(
                    segmentationNode,
                    explorer.image,
                    lambda labels: warp_labels(labels, displacement),
                    imageNode,
                    f"{segmentationNode.GetName()} {what}",
                )
        return nodes

    def _addTransforms(self, result, fixedNode, movingNode, inverse: bool) -> RegistrationNodes:
        from DeformationSceneLib.placement import output_name, place_beside
        from DeformationSceneLib.transforms import add_displacement_transform

        scene = fixedNode.GetScene()
        nodes = RegistrationNodes(result=result)
        name = output_name(scene, movingNode, fixedNode, "transform")
        nodes.transform = add_displacement_transform(scene, result.displacement, name, fixedNode, movingNode)
        place_beside(nodes.transform, movingNode)
        if inverse:
            name = output_name(scene, fixedNode, movingNode, "inverse transform")
            nodes.inverse = add_displacement_transform(scene, result.inverse_displacement, name, movingNode, fixedNode)
            place_beside(nodes.inverse, movingNode)
        return nodes

    def _addVolume(self, image, movingNode, fixedNode, what: str = ""):
        from DeformationSceneLib.placement import output_name, place_beside
        from DeformationSceneLib.volumes import add_volume

        scene = fixedNode.GetScene()
        name = output_name(scene, movingNode, fixedNode, what)
        node = add_volume(scene, image, name, like=None if what else movingNode)
        place_beside(node, movingNode)
        return node

    def _warpSegmentation(self, node, reference, warp, referenceNode, name: str = ""):
        """A warped copy of a segmentation or label map volume, with its colours, names and terminology."""
        from DeformationLib.image import check_same_grid
        from DeformationSceneLib.placement import place_beside, unique_name
        from DeformationSceneLib.segmentations import warp_segmentation
        from DeformationSceneLib.volumes import add_volume, image_from_volume

        scene = referenceNode.GetScene()
        name = unique_name(scene, name or f"{node.GetName()} warped to {referenceNode.GetName()}")
        if node.IsA("vtkMRMLSegmentationNode"):
            output = warp_segmentation(scene, node, reference, warp, name, referenceNode)
        else:
            labels = image_from_volume(node)
            check_same_grid(labels, reference, f"The label map '{node.GetName()}'")
            output = add_volume(scene, warp(labels), name, labels=True, like=node)
        place_beside(output, node)
        return output


class LatentRegistrationTest(ScriptedLoadableModuleTest):
    """Registers a deformed copy of a phantom by the bundled phantom model, without network or GPU."""

    def runTest(self):
        self.setUp()
        self.test_registerPhantom()

    def test_registerPhantom(self):
        from DeformationLib.phantoms import two_part_phantom
        from DeformationSceneLib.segmentations import add_segmentation
        from DeformationSceneLib.volumes import add_volume

        self.delayDisplay(_("Registering two phantoms"))
        scene = slicer.mrmlScene
        (fixed, fixedLabels), (moving, movingLabels) = two_part_phantom(seed=1), two_part_phantom(seed=2)
        fixedNode, movingNode = add_volume(scene, fixed, "Fixed"), add_volume(scene, moving, "Moving")
        segmentationNode = add_segmentation(scene, movingLabels, "Labels", reference_volume_node=movingNode)
        nodes = LatentRegistrationLogic().registerVolumes(
            fixedNode, movingNode, "phantom", segmentationNode, inverse=True
        )
        report = nodes.result.report(fixedLabels, movingLabels)
        self.assertLess(report["jacobian_determinant"]["folding_percent"], 0.1)
        self.assertGreater(report["mean_dice_after"], report["mean_dice_before"] + 0.1)
        self.assertEqual(nodes.segmentation.GetSegmentation().GetNumberOfSegments(), 2)
        self.delayDisplay(_("Test passed"))
