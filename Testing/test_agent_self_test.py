"""The self test of AgentRegistration, with its bundled model."""

import pytest

from DeformationLib.catalogue import catalogue


def test_the_self_test_passes(scene):
    from AgentRegistrationSceneLib.self_test import MODEL, AgentRegistrationTest

    if MODEL not in catalogue(("AgentNetwork",)):
        pytest.skip(f"the model {MODEL} is not installed")
    AgentRegistrationTest().runTest()
