"""The host's stand-ins of CTK's widgets: properties, signals, and what a user does with them."""

import ctk
import pytest
import qt
import slicer

from Testing.SlicerHost import dialogs

pytestmark = pytest.mark.usefixtures("application")


def recorded(*signals):
    """A list to which the signals add (name, arguments)."""
    seen = []
    for signal in signals:
        signal.connect(lambda *arguments, name=signal._signal.name: seen.append((name, *arguments)))
    return seen


@pytest.fixture
def shown():
    """A window with a collapsible button, in which two labels are; the second is hidden."""
    window, box = qt.QWidget(), ctk.ctkCollapsibleButton("Inputs")
    qt.QVBoxLayout(window).addWidget(box)
    layout = qt.QFormLayout(box)
    labels = qt.QLabel("one"), qt.QLabel("two")
    for label in labels:
        layout.addRow(label)
    labels[1].hide()
    window.show()
    return window, box, *labels


def test_collapsible_button_hides_its_widgets(shown):
    _window, box, label, hidden = shown
    seen = recorded(box.contentsCollapsed)
    height = box.sizeHint().height()
    assert label.visible
    assert not hidden.visible
    box.collapsed = True
    assert not label.visible
    assert box.sizeHint().height() < height
    box.click()
    assert box.collapsed is False
    assert label.visible
    assert not hidden.visible
    assert seen == [("contentsCollapsed", True), ("contentsCollapsed", False)]


def test_widgets_shown_while_collapsed_appear_when_opened(shown):
    _window, box, label, hidden = shown
    box.collapsed = True
    hidden.show()
    label.hide()
    assert not hidden.visible
    box.collapsed = False
    assert hidden.visible
    assert not label.visible


def test_widgets_added_while_collapsed_stay_hidden(shown):
    _window, box, *_ = shown
    box.collapsed = True
    late = qt.QLabel("late", box)
    assert not late.visible
    box.collapsed = False
    assert late.visible


def test_button_collapsed_before_it_is_shown():
    window, box = qt.QWidget(), ctk.ctkCollapsibleButton()
    qt.QVBoxLayout(window).addWidget(box)
    label = qt.QLabel("inside")
    qt.QVBoxLayout(box).addWidget(label)
    box.collapsed = True
    window.show()
    assert not label.visible
    box.collapsed = False
    assert label.visible


def test_collapsible_button_is_clicked_on_its_header_only(shown):
    _window, box, *_ = shown
    assert box.hitButton(qt.QPoint(5, 5))
    assert not box.hitButton(qt.QPoint(5, box.height - 2))


def test_collapsible_group_box():
    window, box = qt.QWidget(), ctk.ctkCollapsibleGroupBox("Advanced")
    label = qt.QLabel("inside")
    qt.QVBoxLayout(box).addWidget(label)
    qt.QVBoxLayout(window).addWidget(box)
    window.show()
    assert (box.title, box.collapsed, label.visible) == ("Advanced", False, True)
    box.collapsed = True
    assert not label.visible
    assert not box.checked
    collapsed_height = box.maximumHeight
    box.collapsedHeight = 0
    assert box.maximumHeight == collapsed_height - 14 > 0
    box.checked = True
    assert not box.collapsed
    assert label.visible


def test_collapsible_group_box_has_an_arrow():
    pictures = []
    for cls in (ctk.ctkCollapsibleGroupBox, qt.QGroupBox):
        box = cls()
        box.title, box.checkable = "Advanced", True
        box.resize(150, 40)
        pictures.append(box.grab().toImage())
        assert box.checked
    assert pictures[0] != pictures[1]


def test_slider_widget_keeps_its_value_unrounded_and_in_range():
    slider = ctk.ctkSliderWidget()
    seen = recorded(slider.valueChanged)
    slider.minimum, slider.maximum, slider.singleStep, slider.decimals = -3, 3, 0.1, 1
    slider.value = 1.234
    assert slider.value == 1.234
    slider.value = 1.234
    slider.value = 7
    assert slider.value == 3
    slider.maximum = 2
    assert slider.value == 2
    slider.suffix = " mm"
    assert slider.findChild(qt.QDoubleSpinBox).text == "2.0 mm"
    assert seen == [("valueChanged", 1.234), ("valueChanged", 3.0), ("valueChanged", 2.0)]
    slider.reset()
    assert slider.value == 0


def test_slider_widget_answers_its_slider_and_its_spin_box():
    slider = ctk.ctkSliderWidget()
    slider.minimum, slider.maximum, slider.singleStep = -1, 1, 0.25
    seen = recorded(slider.valueChanged, slider.valueIsChanging)
    slider.findChild(qt.QSlider).setValue(2)
    assert slider.value == -0.5
    slider.findChild(qt.QDoubleSpinBox).setValue(0.75)
    assert slider.value == 0.75
    assert slider.findChild(qt.QSlider).value == 7
    assert seen == [("valueChanged", -0.5), ("valueChanged", 0.75)]


def test_slider_widget_without_tracking_tells_the_value_on_release():
    slider = ctk.ctkSliderWidget()
    slider.tracking = False
    seen = recorded(slider.valueChanged, slider.valueIsChanging)
    handle = slider.findChild(qt.QSlider)
    handle.setSliderDown(True)
    handle.setValue(10)
    handle.setValue(20)
    assert slider.value == 0
    handle.setSliderDown(False)
    assert slider.value == 20
    assert seen == [("valueIsChanging", 10), ("valueIsChanging", 20), ("valueChanged", 20)]


def test_spin_boxes_of_sliders_are_equally_wide():
    window = qt.QWidget()
    layout = qt.QVBoxLayout(window)
    sliders = [ctk.ctkSliderWidget() for _ in range(2)]
    for slider in sliders:
        layout.addWidget(slider)
    sliders[1].suffix = " standard deviations"
    window.show()
    slicer.app.processEvents()
    narrow, wide = (slider.findChild(ctk.ctkDoubleSpinBox).width for slider in sliders)
    assert narrow == wide


def test_only_what_slicer_offers_to_python_exists():
    # CTK's other setters are neither slots nor invokable.
    with pytest.raises(AttributeError):
        ctk.ctkSliderWidget().setMinimum(1)
    with pytest.raises(AttributeError):
        ctk.ctkCollapsibleButton().setCollapsed(True)
    with pytest.raises(AttributeError):
        ctk.ctkPathLineEdit().setFilters(1)


def test_double_spin_box():
    box = ctk.ctkDoubleSpinBox()
    seen = recorded(box.valueChanged)
    texts = []
    box.connect("valueChanged(QString)", texts.append)
    box.decimals = 1
    box.value = 2.345
    assert (box.value, box.cleanText) == (2.345, "2.3")
    assert (seen, texts) == ([("valueChanged", 2.345)], ["2.3"])
    box.findChild(qt.QDoubleSpinBox).stepUp()
    assert box.value == pytest.approx(3.3)


def test_range_widget():
    widget = ctk.ctkRangeWidget()
    widget.minimum, widget.maximum = -10, 10
    assert (widget.minimumValue, widget.maximumValue) == (0, 10)
    seen = recorded(widget.valuesChanged, widget.minimumValueChanged, widget.maximumValueChanged)
    widget.setValues(-2, 3)
    assert seen == [("valuesChanged", -2, 3), ("minimumValueChanged", -2), ("maximumValueChanged", 3)]
    widget.minimumValue = 5
    assert (widget.minimumValue, widget.maximumValue) == (5, 5)
    low, high = widget.findChildren(ctk.ctkDoubleSpinBox)
    low.value = 1
    assert (widget.minimumValue, high.value) == (1, 5)


def test_range_slider_is_dragged():
    slider = ctk.ctkDoubleRangeSlider()
    slider.minimum, slider.maximum = 0, 100
    slider.resize(212, 22)
    seen = recorded(slider.valuesChanged)

    def mouse(kind, x):
        point = qt.QPointF(x, 11)
        button, none = qt.Qt.LeftButton, qt.Qt.NoModifier
        slicer.app.sendEvent(slider, qt.QMouseEvent(kind, point, point, button, button, none))

    mouse(qt.QEvent.MouseButtonPress, 10)
    mouse(qt.QEvent.MouseMove, 6 + 50)
    mouse(qt.QEvent.MouseButtonRelease, 6 + 50)
    assert (slider.minimumValue, slider.maximumValue) == (25, 99)
    assert seen == [("valuesChanged", 25, 99)]


def test_path_line_edit(tmp_path):
    edit = ctk.ctkPathLineEdit()
    edit.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Readable
    seen = recorded(edit.currentPathChanged)
    edit.currentPath = "/one"
    with dialogs.answer(str(tmp_path)) as asked:
        edit.findChild(qt.QToolButton).click()
    assert asked[0].kind == "QFileDialog.getExistingDirectory"
    assert edit.currentPath == str(tmp_path)
    with dialogs.answer(None):
        edit.browse()
    assert seen == [("currentPathChanged", "/one"), ("currentPathChanged", str(tmp_path))]


def test_path_line_edit_remembers_paths():
    edit = ctk.ctkPathLineEdit()
    edit.settingKey = "Example"
    for path in ("/one", "/two", "/one"):
        edit.currentPath = path
        edit.addCurrentPathToHistory()
    other = ctk.ctkPathLineEdit()
    other.settingKey = "Example"
    assert [other.comboBox().itemText(row) for row in range(other.comboBox().count)] == ["/one", "/two"]
    assert other.currentPath == "/one"


def test_directory_button(tmp_path):
    button = ctk.ctkDirectoryButton()
    seen = recorded(button.directoryChanged, button.directorySelected)
    button.directory = str(tmp_path)
    button.directory = str(tmp_path)
    (tmp_path / "images").mkdir()
    with dialogs.answer(str(tmp_path / "images")):
        button.findChild(qt.QPushButton).click()
    assert button.directory == str(tmp_path / "images")
    assert [name for name, _ in seen] == [
        "directorySelected",
        "directoryChanged",
        "directorySelected",
        "directorySelected",
        "directoryChanged",
    ]


def test_checkable_push_button():
    button = ctk.ctkCheckablePushButton("Live")
    button.checkBoxControlsButtonToggleState = True
    seen = recorded(button.checkBoxToggled, button.toggled)
    button.checkState = qt.Qt.Checked
    assert button.checkable
    assert button.checked
    button.click()
    assert button.checkState == qt.Qt.Unchecked
    assert not button.checkable
    assert [entry for entry in seen if entry[0] == "checkBoxToggled"] == [
        ("checkBoxToggled", True),
        ("checkBoxToggled", False),
    ]


def test_colour_button():
    button = ctk.ctkColorPickerButton()
    seen = recorded(button.colorNameChanged)
    with dialogs.answer(qt.QColor("#00ff00")):
        button.click()
    assert button.color == qt.QColor("#00ff00")
    assert seen == [("colorNameChanged", "#00ff00")]


def test_message_box_that_is_not_shown_again():
    def ask():
        box = ctk.ctkMessageBox()
        box.text = "Sure?"
        box.standardButtons = qt.QMessageBox.Ok | qt.QMessageBox.Cancel
        box.dontShowAgainSettingsKey = "Example/DontAsk"
        return box

    def tick_and_accept(dialog):
        dialog.findChild(qt.QCheckBox).click()
        dialog.button(qt.QMessageBox.Ok).click()

    with dialogs.answer("OK", "Cancel", tick_and_accept) as seen:
        assert ask().exec() == qt.QMessageBox.Ok
        assert ask().exec_() == qt.QMessageBox.Cancel
        assert ask().exec_() == qt.QMessageBox.Ok
        assert ask().exec_() == qt.QMessageBox.Ok  # without a dialog
    assert [entry.text for entry in seen] == 3 * ["Sure?"]
    qt.QSettings().remove("Example/DontAsk")


def test_combo_box_with_a_default_text():
    combo_box = ctk.ctkComboBox()
    combo_box.defaultText = "Select a model"
    combo_box.addItem("hippocampus")
    assert combo_box.currentText == "hippocampus"
    combo_box.currentIndex = -1
    combo_box.resize(200, 24)
    empty, combo_box.defaultText = combo_box.grab().toImage(), ""
    assert combo_box.grab().toImage() != empty
