"""The module's self test: runs in Slicer (Reload and Test, ctest) and in the headless host, without network or GPU."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest


class LatentRegistrationTest(ScriptedLoadableModuleTest):
    """Registers and explores simulated phantoms by the bundled phantom model, and asserts on numbers."""

    def setUp(self):
        """Each test starts with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        self.setUp()
        self.test_registerPhantoms()
        self.setUp()
        self.test_explorePhantom()

    def test_registerPhantoms(self):
        """A registration makes the structures overlap, folds nowhere, and keeps the segments."""
        from .logic import LatentRegistrationLogic

        self.delayDisplay(_("Registering two phantoms"))
        (fixed, moving, segmentation), (fixedLabels, movingLabels) = self._phantoms()
        nodes = LatentRegistrationLogic().registerVolumes(fixed, moving, "phantom", segmentation, inverse=True)
        report = nodes.result.report(fixedLabels, movingLabels)
        self.assertLess(report["jacobian_determinant"]["folding_percent"], 0.1)
        self.assertLess(report["inverse_consistency_mm"], 0.5)
        self.assertGreater(report["mean_dice_after"], report["mean_dice_before"] + 0.1)
        self.assertEqual(nodes.segmentation.GetSegmentation().GetNumberOfSegments(), 2)
        self.delayDisplay(_("Registered: mean Dice {dice:.2f}").format(dice=report["mean_dice_after"]))

    def test_explorePhantom(self):
        """A component deforms the structures, more at two standard deviations than at one, and not at all at zero."""
        from DeformationSceneLib.transforms import displacement_from_transform

        from .logic import LatentRegistrationLogic

        self.delayDisplay(_("Exploring a phantom"))
        (_fixed, moving, segmentation), _labels = self._phantoms()
        logic = LatentRegistrationLogic()
        explorer = logic.explorer(moving, "phantom")
        lengths = []
        for deviations in (0.0, 1.0, 2.0):
            amplitude = deviations * explorer.standard_deviations[0]
            nodes = logic.decomposeVolume(moving, 0, amplitude, segmentation, explorer=explorer)
            lengths.append(float(abs(displacement_from_transform(nodes.transform).array).max()))
        self.assertEqual(lengths[0], 0.0)
        self.assertGreater(lengths[1], 0.2)
        self.assertGreater(lengths[2], 1.3 * lengths[1])
        self.delayDisplay(_("Explored: {length:.1f} mm at two standard deviations").format(length=lengths[2]))

    def _phantoms(self):
        """Fixed and moving volume and the moving segmentation in the scene, and the label images of both."""
        from DeformationLib.phantoms import two_part_phantom
        from DeformationSceneLib.segmentations import add_segmentation
        from DeformationSceneLib.volumes import add_volume

        scene = slicer.mrmlScene
        (fixed, fixedLabels), (moving, movingLabels) = two_part_phantom(seed=1), two_part_phantom(seed=2)
        fixedNode, movingNode = add_volume(scene, fixed, "Fixed"), add_volume(scene, moving, "Moving")
        segmentationNode = add_segmentation(scene, movingLabels, "Labels", reference_volume_node=movingNode)
        return (fixedNode, movingNode, segmentationNode), (fixedLabels, movingLabels)
