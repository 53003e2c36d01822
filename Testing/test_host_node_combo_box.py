"""The host's qMRMLNodeComboBox: it follows the scene, filters nodes and creates them, as Slicer's does."""

import pytest
import qt
import slicer

from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import load_scene, save_scene

VOLUME, LABELS, MODEL = "vtkMRMLScalarVolumeNode", "vtkMRMLLabelMapVolumeNode", "vtkMRMLModelNode"


@pytest.fixture
def make(scene):
    """Makes a selector of volumes, with these properties, and the list of what it signals."""

    def make(**properties):
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [VOLUME]
        selector.addEnabled = selector.removeEnabled = False
        for name, value in properties.items():
            setattr(selector, name, value)
        selector.setMRMLScene(scene)
        seen = []
        selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: seen.append(node and node.GetName()))
        selector.connect("currentNodeChanged(bool)", seen.append)
        return selector, seen

    return make


def names(selector):
    return [selector.nodeFromIndex(index).GetName() for index in range(selector.nodeCount())]


def texts(selector):
    combo_box = selector.findChild(qt.QComboBox)
    return [combo_box.itemText(row) for row in range(combo_box.count)]


def choose(selector, text):
    """Click an entry of the opened list."""
    combo_box = selector.findChild(qt.QComboBox)
    combo_box.view().clicked.emit(combo_box.model().index(texts(selector).index(text), 0))


def test_without_a_scene_it_is_disabled():
    selector = slicer.qMRMLNodeComboBox()
    assert not selector.enabled
    assert selector.mrmlScene() is None
    assert selector.currentNode() is None
    assert selector.nodeCount() == 0
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.enabled


def test_the_first_node_is_chosen_by_itself_where_none_is_not_allowed(scene, make):
    selector, seen = make()
    assert selector.currentNode() is None
    first = scene.AddNewNodeByClass(VOLUME, "first")
    assert selector.currentNode() is first
    assert selector.currentNodeID == first.GetID()
    scene.AddNewNodeByClass(VOLUME, "second")
    assert selector.currentNode() is first
    assert seen == ["first", True]


def test_a_scene_with_nodes_brings_its_first_one(scene, make):
    first = scene.AddNewNodeByClass(VOLUME, "first")
    scene.AddNewNodeByClass(VOLUME, "second")
    assert make()[0].currentNode() is first
    assert make(addEnabled=True)[0].currentNode() is first
    assert make(noneEnabled=True)[0].currentNode() is None


def test_where_none_is_allowed_it_is_the_first_choice(scene, make):
    selector, seen = make(noneEnabled=True, noneDisplay="Select a volume")
    scene.AddNewNodeByClass(VOLUME, "first")
    assert texts(selector) == ["Select a volume", "first"]
    assert selector.currentNode() is None
    selector.setCurrentNodeIndex(0)
    selector.setCurrentNode(None)
    assert seen == ["first", True, None, False]


def test_with_actions_in_the_list_no_node_is_chosen_by_itself(scene, make):
    selector, seen = make(addEnabled=True)
    scene.AddNewNodeByClass(VOLUME, "first")
    assert selector.currentNode() is None
    assert seen == []


def test_nodes_are_filtered(scene, make):
    for node_class, name in ((VOLUME, "volume"), (LABELS, "labels"), (MODEL, "model")):
        scene.AddNewNodeByClass(node_class, name)
    hidden = scene.AddNewNodeByClass(VOLUME, "hidden")
    hidden.SetHideFromEditors(True)
    selector, _ = make()
    assert names(selector) == ["volume", "labels"]
    selector.hideChildNodeTypes = [LABELS]
    assert names(selector) == ["volume"]
    selector.hideChildNodeTypes = []
    selector.showChildNodeTypes = False
    assert names(selector) == ["volume"]
    selector.showHidden = True
    assert names(selector) == ["volume", "hidden"]
    selector.nodeTypes = [MODEL, LABELS]
    assert names(selector) == ["labels", "model"]
    assert selector.nodeTypes == (MODEL, LABELS)


def test_nodes_are_filtered_by_attribute(scene, make):
    selector, _ = make(noneEnabled=True)
    selector.addAttribute(VOLUME, "Role", "mask")
    volumes = [scene.AddNewNodeByClass(VOLUME, name) for name in "ab"]
    assert names(selector) == []
    volumes[1].SetAttribute("Role", "mask")
    assert names(selector) == ["b"]
    selector.setCurrentNode(volumes[1])
    volumes[1].SetAttribute("Role", "image")
    assert selector.currentNode() is None
    assert selector.addNode().GetAttribute("Role") == "mask"
    selector.removeAttribute(VOLUME, "Role")
    assert names(selector)[:2] == ["a", "b"]


def test_hiding_a_node_takes_it_out_of_the_list(scene, make):
    selector, seen = make(noneEnabled=True)
    volume = scene.AddNewNodeByClass(VOLUME, "volume")
    selector.setCurrentNode(volume)
    volume.SetHideFromEditors(True)
    assert selector.currentNode() is None
    assert seen == ["volume", True, None, False]


def test_renaming_is_shown(scene, make):
    selector, _ = make()
    volume = scene.AddNewNodeByClass(VOLUME, "volume")
    volume.SetName("renamed")
    assert texts(selector) == ["renamed"]
    assert selector.currentNode() is volume


def test_nodes_are_chosen_by_node_by_id_and_by_index(scene, make):
    selector, seen = make(noneEnabled=True)
    first, second = (scene.AddNewNodeByClass(VOLUME, name) for name in ("first", "second"))
    model = scene.AddNewNodeByClass(MODEL, "model")
    ids = []
    selector.currentNodeIDChanged.connect(ids.append)
    selector.setCurrentNode(second)
    selector.setCurrentNodeID(first.GetID())
    selector.currentNodeID = second.GetID()
    selector.setCurrentNode(model)
    selector.setCurrentNodeIndex(5)
    assert seen == ["second", True, "first", True, "second", True, None, False]
    assert ids == [second.GetID(), first.GetID(), second.GetID(), ""]


def test_a_node_that_is_asked_for_before_the_scene_is_there(scene):
    first, second = (scene.AddNewNodeByClass(VOLUME, name) for name in ("first", "second"))
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.setCurrentNodeID(second.GetID())
    assert selector.currentNode() is None
    selector.setMRMLScene(scene)
    assert selector.currentNode() is second
    assert first is not second


def test_removed_nodes_leave_the_list(scene, make):
    selector, seen = make(noneEnabled=True)
    leaving = []
    selector.nodeAboutToBeRemoved.connect(lambda node: leaving.append(node.GetName()))
    volume = scene.AddNewNodeByClass(VOLUME, "volume")
    selector.setCurrentNode(volume)
    scene.RemoveNode(volume)
    assert selector.currentNode() is None
    assert names(selector) == []
    assert leaving == ["volume"]
    assert seen == ["volume", True, None, False]


def test_after_the_current_node_the_next_one_is_chosen(scene, make):
    selector, _ = make(noneEnabled=True)
    volumes = [scene.AddNewNodeByClass(VOLUME, name) for name in "abc"]
    selector.setCurrentNode(volumes[1])
    scene.RemoveNode(volumes[1])
    assert selector.currentNode() is volumes[2]


def test_closing_the_scene_empties_the_list(scene, make):
    selector, seen = make(noneEnabled=True, addEnabled=True)
    selector.setCurrentNode(scene.AddNewNodeByClass(VOLUME, "volume"))
    scene.Clear(False)
    assert names(selector) == []
    assert selector.currentNode() is None
    assert seen == ["volume", True, None, False]
    assert texts(selector) == ["None", "", "Create new Volume"]


def test_reading_a_scene_fills_the_list(scene, make, tmp_path):
    selector, _ = make(noneEnabled=True)
    scene.AddNewNodeByClass(VOLUME, "saved")
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    assert names(selector) == ["saved"]
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    scene.AddNewNodeByClass(VOLUME, "in a batch")
    scene.EndState(slicer.vtkMRMLScene.BatchProcessState)
    assert names(selector) == ["saved", "in a batch"]


def test_another_scene(scene, make):
    selector, _ = make()
    scene.AddNewNodeByClass(VOLUME, "volume")
    other = slicer.vtkMRMLScene()
    selector.setMRMLScene(other)
    assert names(selector) == []
    node = other.AddNewNodeByClass(VOLUME, "other")
    assert selector.currentNode() is node
    scene.AddNewNodeByClass(VOLUME, "late")
    assert names(selector) == ["other"]
    selector.setMRMLScene(None)
    assert selector.currentNode() is None
    assert not selector.enabled


def test_nodes_are_created_by_the_user(scene, make):
    selector, _seen = make(noneEnabled=True, addEnabled=True, renameEnabled=True, baseName="Warped")
    created = []
    selector.nodeAddedByUser.connect(lambda node: created.append(node.GetName()))
    selector.nodeAddedByUserAction.connect(lambda node: created.append("by action"))
    choose(selector, "Create new Volume")
    assert selector.currentNode().GetName() == "Warped"
    with dialogs.answer("my volume") as asked:
        choose(selector, "Create new Volume as...")
    assert (asked[0].kind, asked[0].title) == ("QInputDialog.getText", "Create new Volume")
    assert selector.currentNode().GetName() == "my volume"
    assert created == ["Warped", "by action", "Warped_1", "by action"]
    with dialogs.answer("new name"):
        choose(selector, "Rename current Volume")
    assert names(selector) == ["Warped", "new name"]
    assert "Delete current Volume" not in texts(selector)
    selector.removeEnabled = True
    choose(selector, "Delete current Volume")
    assert names(selector) == ["Warped"]


def test_created_nodes_can_be_left_unselected(scene, make):
    selector, _ = make(noneEnabled=True, selectNodeUponCreation=False)
    node = selector.addNode()
    assert node.GetScene() is scene
    assert selector.currentNode() is None
    assert selector.addNode(MODEL) is None


def test_own_actions(scene, make):
    selector, _ = make(noneEnabled=True)
    action, seen = qt.QAction("Load sample", selector), []
    action.triggered.connect(lambda: seen.append("triggered"))
    selector.addMenuAction(action)
    choose(selector, "Load sample")
    assert seen == ["triggered"]


def test_a_deleted_selector_leaves_the_scene_alone(scene, make):
    selector, seen = make()
    selector.delete()
    scene.AddNewNodeByClass(VOLUME, "volume")
    scene.Clear(False)
    assert seen == []
