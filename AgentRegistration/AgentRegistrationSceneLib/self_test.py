"""The module's self test: runs in Slicer (Reload and Test, ctest) and in the headless host, without network or GPU."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

MODEL = "cardiac-slice-agent"


class AgentRegistrationTest(ScriptedLoadableModuleTest):
    """Registers slices of two simulated hearts by the bundled agent, leads it by hand, and asserts on numbers."""

    def setUp(self):
        """Each test starts with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        self.setUp()
        self.test_registerHearts()
        self.setUp()
        self.test_leadTheAgent()

    def test_registerHearts(self):
        """The agent makes the hearts more alike, folds next to nothing, and its way can be replayed."""
        from .logic import AgentRegistrationLogic

        self.delayDisplay(_("Registering two simulated hearts"))
        pair, (fixed, moving, segmentation) = self._hearts()
        nodes = AgentRegistrationLogic().registerVolumes(
            fixed, moving, MODEL, segmentation, inverse=True, greedy=True, steps=60
        )
        result = nodes.result
        report = result.report(pair.fixedLabels, pair.movingLabels)
        self.assertGreater(result.similarity_after, result.similarity_before)
        self.assertGreater(report["mean_dice_after"], report["mean_dice_before"] - 0.02)
        self.assertLess(report["jacobian_determinant"]["folding_percent"], 1.0)
        self.assertEqual(nodes.segmentation.GetSegmentation().GetNumberOfSegments(), 3)
        count = nodes.trajectory.sequence.GetNumberOfDataNodes()
        self.assertEqual(count, len(result.trajectory))
        self.assertEqual(count, nodes.trajectory.table.GetNumberOfRows())
        self.delayDisplay(_("Registered: similarity {value:.2f}").format(value=result.similarity_after))

    def test_leadTheAgent(self):
        """An action taken by hand is undone by a step back; the agent goes on from where it was led."""
        from .logic import AgentRegistrationLogic

        self.delayDisplay(_("Leading the agent by hand"))
        _pair, (fixed, moving, _segmentation) = self._hearts()
        walking = AgentRegistrationLogic().beginRegistration(fixed, moving, MODEL, greedy=True, steps=12)
        walking.step()
        before = walking.walk.theta.tolist()
        walking.walk.take(1)
        self.assertNotEqual(walking.walk.theta.tolist(), before)
        self.assertTrue(walking.walk.step_back())
        self.assertEqual(walking.walk.theta.tolist(), before)
        walking.walk.take(0)
        walking.run()
        nodes = walking.finish()
        choices = [state.choice for state in nodes.result.trajectory]
        self.assertEqual(choices[:3], ["start", "agent", "user"])
        self.assertGreater(len(choices), 3)
        self.delayDisplay(_("Led: {count} steps").format(count=len(choices) - 1))

    def _hearts(self):
        """Images and label maps of two hearts, and fixed volume, moving volume and moving segmentation in the scene."""
        from DeformationSceneLib.sample_pairs import addPair

        from .sample_data import simulatedHearts

        pair = simulatedHearts()
        fixed, moving, _fixedSegmentation, segmentation = addPair(pair)
        return pair, (fixed, moving, segmentation)
