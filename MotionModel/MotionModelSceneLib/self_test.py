"""The module's self test: runs in Slicer (Reload and Test, ctest) and in the headless host, without network or GPU."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

MODEL = "cardiac-cine-2d"


class MotionModelTest(ScriptedLoadableModuleTest):
    """Tracks, completes and transports a simulated beating heart by the bundled model, and asserts on numbers."""

    def setUp(self):
        """Each test starts with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        self.setUp()
        self.test_trackHeart()
        self.setUp()
        self.test_simulateHeart()

    def test_trackHeart(self):
        """The tracked ventricle ejects about what the simulated one does; everything plays with the series."""
        from .logic import MotionModelLogic

        self.delayDisplay(_("Tracking a simulated heart"))
        heart, sequence, browser, segmentation = self._heart()
        nodes = MotionModelLogic().trackSequence(browser, 0, segmentation, model=MODEL)
        fraction = nodes.ejection_fraction()
        self.assertAlmostEqual(fraction, self._true_fraction(heart), delta=15.0)
        self.assertEqual(nodes.motion.sequences["transform"].GetNumberOfDataNodes(), sequence.GetNumberOfDataNodes())
        self.assertIs(nodes.browser, browser)
        self.assertEqual(nodes.segmentation.GetSegmentation().GetNumberOfSegments(), 3)
        self.delayDisplay(_("Tracked: ejection fraction {percent:.0f} %").format(percent=fraction))

    def test_simulateHeart(self):
        """An image alone gets a motion that begins with the image as it is."""
        from DeformationSceneLib.transforms import displacement_from_transform

        from .logic import MotionModelLogic

        self.delayDisplay(_("Simulating the motion of a heart"))
        _heart, _sequence, browser, segmentation = self._heart()
        volume = browser.GetProxyNode(browser.GetMasterSequenceNode())
        nodes = MotionModelLogic().simulateMotion(volume, segmentation, frames=8, model=MODEL)
        lengths = []
        for frame in (0, 3):
            nodes.browser.SetSelectedItemNumber(frame)
            lengths.append(float(abs(displacement_from_transform(nodes.transform).array).max()))
        self.assertEqual(lengths[0], 0.0)
        self.assertGreater(lengths[1], 0.2)
        self.delayDisplay(_("Simulated: {length:.1f} mm").format(length=lengths[1]))

    def _heart(self):
        """A small simulated heart, its series, browser and segmentation in the scene."""
        from DeformationLib.cardiac_phantoms import beating_heart

        from .sample_data import SEED, SPACING, addBeatingHeart

        size, frames = (80, 80, 4), 8
        heart = beating_heart(SEED, frames, 1.0, size, SPACING)
        return heart, *addBeatingHeart(SEED, 1.0, size, frames)

    @staticmethod
    def _true_fraction(heart) -> float:
        from DeformationLib.cardiac_phantoms import POOL

        counts = [float((labels.array == POOL).sum()) for labels in heart.labels]
        return 100.0 * (1.0 - min(counts) / counts[0])
