"""The self test of MotionModel, with its bundled model."""

import pytest

from DeformationLib.catalogue import catalogue


def test_the_self_test_passes(scene):
    from MotionModelSceneLib.self_test import MODEL, MotionModelTest

    if MODEL not in catalogue(("MotionNetwork",)):
        pytest.skip(f"the model {MODEL} is not installed")
    MotionModelTest().runTest()
