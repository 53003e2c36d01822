"""PythonQt's manners of the host's qt: attributes, signals and slots, refusals, look-up of children."""

import functools

import ctk
import numpy as np
import pytest
import qt
import slicer

from Testing.SlicerHost import pythonqt
from Testing.SlicerHost.pythonqt import expected_errors

pytestmark = pytest.mark.usefixtures("application")


@pytest.fixture
def button():
    return qt.QPushButton("Apply")


def test_properties_are_attributes(button):
    assert button.text == "Apply"
    assert button.checkable is False
    button.checkable = True
    button.checked = True
    assert button.isChecked()
    button.toolTip = "Start"
    assert button.property("toolTip") == "Start"
    assert isinstance(button.sizeHint, qt.QSize)
    assert isinstance(button.size, qt.QSize)
    spin_box = qt.QSpinBox()
    spin_box.setValue(7)
    assert spin_box.value == 7
    combo_box = qt.QComboBox()
    combo_box.addItems(["one", "two"])
    combo_box.currentIndex = 1
    assert (combo_box.count, combo_box.currentText) == (2, "two")
    assert qt.QTableWidget(2, 3).columnCount == 3


def test_methods_stay_methods(button):
    assert button.isEnabled()
    assert button.parent() is None
    layout = qt.QVBoxLayout()
    widget = qt.QWidget()
    widget.setLayout(layout)
    assert widget.layout() is layout


def test_name_is_the_object_name(button):
    button.name = "applyButton"
    assert button.objectName == button.name == "applyButton"


def test_values_are_converted_as_by_pythonqt():
    spin_box, label, check_box = qt.QSpinBox(), qt.QLabel(), qt.QCheckBox()
    spin_box.value = 2.7
    assert spin_box.value == 2
    spin_box.value = np.int64(5)
    assert spin_box.value == 5
    label.text = 12
    assert label.text == "12"
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignTop
    assert label.alignment == 0x22
    check_box.checked = "yes"
    assert check_box.checked is True


@pytest.mark.parametrize(
    ("make", "name", "value", "message"),
    [
        (qt.QSpinBox, "value", "3", "Property 'value' of type 'int' does not accept an object of type str"),
        (qt.QSpinBox, "value", np.float64(3), "does not accept an object of type float64"),
        (qt.QDoubleSpinBox, "value", "3.5", "Property 'value' of type 'double'"),
        (qt.QLabel, "alignment", 0.5, "does not accept an object of type float"),
        (qt.QLabel, "width", 3, "Property 'width' of QLabel object is not writable"),
        (qt.QLabel, "colour", "red", "'colour' does not exist on QLabel and creating new attributes on C\\+\\+"),
        (qt.QLabel, "setText", print, "Slot 'setText' can not be overwritten on QLabel object"),
        (qt.QPushButton, "clicked", print, "Signal 'clicked' can not be overwritten on QPushButton object"),
        (qt.QTimer, "singleShot", True, "'singleShot' can not be overwritten"),
        (qt.QColor, "tint", 1, "'tint' does not exist on QColor"),
        (ctk.ctkCollapsibleButton, "label", "x", "'label' does not exist on ctkCollapsibleButton"),
        (slicer.qMRMLNodeComboBox, "currentNode", None, "Slot 'currentNode' can not be overwritten"),
    ],
)
def test_attributes_are_refused(make, name, value, message):
    with pytest.raises(AttributeError, match=message):
        setattr(make(), name, value)


def test_unknown_attributes_and_classes_are_refused(button):
    with pytest.raises(AttributeError, match="QPushButton has no attribute named 'label'"):
        button.label()
    with pytest.raises(AttributeError, match=r"qt\.QRegExp is not covered by the headless host"):
        qt.QRegExp("x")
    with pytest.raises(AttributeError, match="ctkNoSuchThing"):
        ctk.ctkNoSuchThing()
    with pytest.raises(NotImplementedError, match=r"ctk\.ctkSettingsPanel is not covered"):
        ctk.ctkSettingsPanel()
    with pytest.raises(NotImplementedError, match=r"slicer\.qMRMLTreeView is not covered"):
        slicer.qMRMLTreeView()
    assert not isinstance(button, ctk.ctkSettingsPanel)


def test_python_classes_can_have_attributes():
    class Panel(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.count = 3

        def sizeHint(self):
            return qt.QSize(50, 60)

    panel = Panel()
    panel.other = "x"
    assert (panel.count, panel.other) == (3, "x")
    with pytest.raises(AttributeError, match="'layout' can not be overwritten"):
        panel.layout = None
    window = qt.QWidget()
    qt.QVBoxLayout(window).addWidget(panel)
    assert window.sizeHint.height() >= 60


def test_dynamic_properties_are_attributes(button):
    assert button.property("SlicerParameterName") is None
    button.setProperty("SlicerParameterName", "model")
    assert button.SlicerParameterName == "model"
    button.SlicerParameterName = "other"
    assert button.property("SlicerParameterName") == "other"


def test_children_are_attributes_and_found(button):
    widget, inner = qt.QWidget(), qt.QGroupBox()
    layout = qt.QVBoxLayout(widget)
    layout.addWidget(inner)
    qt.QVBoxLayout(inner).addWidget(button)
    inner.name, button.name = "box", "apply"
    assert widget.box is inner
    assert widget.box.apply is button
    assert widget.findChildren(qt.QAbstractButton) == (button,)
    assert widget.findChildren("QPushButton") == (button,)
    assert widget.findChild(qt.QPushButton) is button
    # PythonQt does not look into children of another name.
    assert widget.findChildren(qt.QPushButton, "apply") == ()
    assert widget.findChild(qt.QPushButton, "apply") is button
    assert slicer.util.findChild(widget, "apply") is button
    assert slicer.util.findChildren(widget, className="QGroupBox") == [inner]


def test_slots_take_as_many_arguments_as_they_want(button):
    seen = []

    class Receiver:
        def none(self):
            seen.append("method without")

        def one(self, checked):
            seen.append(("method", checked))

    button.checkable = True
    receiver = Receiver()
    slots = [
        lambda: seen.append("without"),
        lambda checked: seen.append(("with", checked)),
        receiver.none,
        receiver.one,
        lambda *arguments: seen.append(arguments),
        functools.partial(seen.append),
    ]
    for slot in slots:
        assert button.connect("clicked(bool)", slot) is True
    button.click()
    assert seen == ["without", ("with", True), "method without", ("method", True), (True,), True]


def test_signals_by_name_and_by_signature(button):
    seen = []
    assert button.clicked.connect(seen.append) is True
    assert button.connect("clicked()", lambda: seen.append("no argument"))
    button.click()
    assert seen == [False, "no argument"]
    assert button.clicked.disconnect(seen.append) is True
    assert button.disconnect("clicked()") is True
    button.click()
    assert len(seen) == 2
    button.clicked.connect(seen.append)
    button.clicked.emit(True)
    button.clicked(True)
    assert seen[2:] == [True, True]


def test_disconnecting_what_is_not_connected_gives_false(button):
    assert button.disconnect("clicked(bool)", print) is False
    assert button.clicked.disconnect(print) is False
    assert pythonqt.refused_connections == []


def test_bound_methods_can_be_disconnected_anew(button):
    class Receiver:
        count = 0

        def onClicked(self):
            self.count += 1

    receiver, other = Receiver(), Receiver()
    button.connect("clicked(bool)", receiver.onClicked)
    button.connect("clicked(bool)", other.onClicked)
    assert button.disconnect("clicked(bool)", receiver.onClicked)
    button.click()
    assert (receiver.count, other.count) == (0, 1)


def test_unknown_signals_are_refused(button, capsys):
    with expected_errors():
        assert button.connect("clickd(bool)", print) is False
        assert button.disconnect("clicked(int)", print) is False
        assert len(pythonqt.refused_connections) == 2
    assert "QObject::connect() signal 'clickd(bool)' does not exist on QPushButton" in capsys.readouterr().err
    with pytest.raises(AttributeError):
        button.clickd.connect(print)
    assert pythonqt.refused_connections == []


def test_connections_between_objects(button):
    button.checkable = True
    box, slider = ctk.ctkCollapsibleButton(), ctk.ctkSliderWidget()
    label, spin_box = qt.QLabel(), qt.QDoubleSpinBox()
    assert button.connect("toggled(bool)", label, "setVisible(bool)")
    assert box.connect("contentsCollapsed(bool)", label, "setDisabled(bool)")
    assert slider.connect("valueChanged(double)", spin_box, "setValue(double)")
    assert qt.QObject.connect(spin_box, "valueChanged(double)", slider, "setValue(double)")
    button.click()
    assert label.visible
    box.collapsed = True
    assert not label.enabled
    slider.value = 3
    assert spin_box.value == 3
    spin_box.value = 5
    assert slider.value == 5
    label.hide()
    with expected_errors():
        assert button.connect("toggled(bool)", box, "setCollapsed(bool)") is False


def test_what_slots_raise_is_kept_and_the_program_goes_on(button, capsys):
    seen = []

    def fail():
        raise ValueError("no volume")

    button.connect("clicked(bool)", fail)
    button.connect("clicked(bool)", lambda: seen.append("next"))
    with expected_errors() as errors:
        button.click()
        assert len(pythonqt.slot_errors) == 1
    assert seen == ["next"]
    assert str(errors[0]).startswith("QPushButton.clicked(bool)")
    assert isinstance(errors[0].error, ValueError)
    assert "ValueError: no volume" in capsys.readouterr().err
    assert pythonqt.slot_errors == []


def test_what_observers_raise_is_kept(scene, capsys):
    def fail(caller, event):
        raise ValueError("no volume")

    tag = scene.AddObserver(scene.NodeAddedEvent, fail)
    with expected_errors() as errors:
        scene.AddNewNodeByClass("vtkMRMLTextNode")
    scene.RemoveObserver(tag)
    assert [str(error.error) for error in errors] == ["no volume"]
    assert "ValueError: no volume" in capsys.readouterr().err


def test_blocked_signals():
    slider = ctk.ctkSliderWidget()
    seen = []
    slider.valueChanged.connect(seen.append)
    assert slider.blockSignals(True) is False
    slider.value = 4
    slider.blockSignals(False)
    slider.value = 5
    assert seen == [5]


def test_signals_of_python_classes():
    class Source(qt.QObject):
        found = qt.Signal(str)

    source, seen = Source(), []
    assert source.found.connect(lambda text: seen.append(text))
    source.found.connect(lambda: 1 / 0)
    with expected_errors() as errors:
        source.found.emit("x")
    assert seen == ["x"]
    assert isinstance(errors[0].error, ZeroDivisionError)


def test_single_shot_runs_in_the_event_loop():
    seen = []
    qt.QTimer.singleShot(0, lambda: seen.append("called"))
    assert seen == []
    slicer.app.processEvents()
    assert seen == ["called"]
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: seen.append("timer"))
    timer.start(0)
    assert timer.active
    slicer.app.processEvents()
    assert seen == ["called", "timer"]


def test_enumerations_are_integers():
    assert qt.QMessageBox.Yes | qt.QMessageBox.No == 0x4000 | 0x10000
    assert qt.Qt.Checked == 2
    assert qt.QSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Fixed).verticalPolicy() == qt.QSizePolicy.Fixed
    assert qt.QLabel().frameShape == qt.QFrame.NoFrame


def test_class_names_and_deletion(button):
    assert button.className() == "QPushButton"
    assert ctk.ctkSliderWidget().className() == "ctkSliderWidget"
    assert slicer.qMRMLNodeComboBox().inherits("QWidget")
    assert button
    button.delete()
    assert not button
    with pytest.raises(ValueError, match="Trying to read property 'text' from a destroyed QPushButton object"):
        assert button.text


def test_connections_end_with_their_object(button):
    seen = []
    button.destroyed.connect(lambda: seen.append("destroyed"))
    button.connect("clicked()", lambda: seen.append("clicked"))
    button.delete()
    assert seen == ["destroyed"]


def test_values_of_other_classes():
    colour = qt.QColor(255, 0, 0)
    assert (colour.red(), colour.name()) == (255, "#ff0000")
    table = qt.QTableWidget(1, 1)
    table.setItem(0, 0, qt.QTableWidgetItem("cell"))
    assert table.item(0, 0).text() == "cell"
    settings = qt.QSettings()
    settings.setValue("Example/Key", 3)
    assert int(settings.value("Example/Key")) == 3
    assert settings.fileName().startswith(slicer.app.temporaryPath)
