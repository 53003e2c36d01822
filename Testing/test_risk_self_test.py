"""The self test of RiskPrediction, with a motion model of random weights."""


def test_the_self_test_passes(scene, risk_models):
    from RiskPredictionSceneLib.self_test import RiskPredictionTest

    RiskPredictionTest().runTest()
