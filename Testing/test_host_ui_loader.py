"""Qt Designer files in the host: Slicer's widgets, dynamic properties, connections, exact types, refusals."""

import ctk
import pytest
import qt
import slicer

pytestmark = pytest.mark.usefixtures("application")

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Example</class>
 <widget class="qMRMLWidget" name="Example">
  <layout class="QVBoxLayout" name="mainLayout">
   {widgets}
  </layout>
 </widget>
 <customwidgets>
  <customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>qMRMLWidget.h</header>
   <container>1</container></customwidget>
  <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><header>ctkCollapsibleButton.h</header>
   <container>1</container></customwidget>
  <customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends><header>qMRMLNodeComboBox.h</header>
  </customwidget>
 </customwidgets>
 <connections>{connections}</connections>
</ui>
"""

CONNECTION = "<connection><sender>{}</sender><signal>{}</signal><receiver>{}</receiver><slot>{}</slot></connection>"

SELECTOR = """<item><widget class="qMRMLNodeComboBox" name="{name}">
  <property name="enabled"><bool>true</bool></property>
  <property name="toolTip"><string>Which volume</string></property>
  <property name="nodeTypes"><stringlist notr="true"><string>vtkMRMLScalarVolumeNode</string>
   <string>vtkMRMLLabelMapVolumeNode</string></stringlist></property>
  <property name="noneEnabled"><bool>true</bool></property>
  <property name="addEnabled"><bool>false</bool></property>
  <property name="SlicerParameterName" stdset="0"><string notr="true">inputVolume</string></property>
 </widget></item>"""

PANEL = """<item><widget class="ctkCollapsibleButton" name="section">
  <property name="text"><string>Inputs</string></property>
  <property name="collapsed"><bool>true</bool></property>
  <layout class="QFormLayout" name="form">
   <item row="0" column="0"><widget class="QLabel" name="label"><property name="text"><string>Path:</string></property>
    <property name="alignment"><set>Qt::AlignRight|Qt::AlignVCenter</set></property>
    <property name="buddy"><cstring>path</cstring></property></widget></item>
   <item row="0" column="1"><widget class="ctkPathLineEdit" name="path">
    <property name="filters"><set>ctkPathLineEdit::Dirs|ctkPathLineEdit::Readable</set></property></widget></item>
   <item row="1" column="1"><widget class="ctkSliderWidget" name="amplitude">
    <property name="minimum"><double>-3.0</double></property><property name="maximum"><double>3.0</double></property>
    <property name="singleStep"><double>0.05</double></property><property name="decimals"><number>2</number></property>
    <property name="tickPosition"><enum>QSlider::TicksBelow</enum></property>
    <property name="tracking"><bool>false</bool></property></widget></item>
   <item row="2" column="1"><widget class="QComboBox" name="choice"><item><property name="text"><string>one</string>
    </property></item><item><property name="text"><string>two</string></property></item></widget></item>
   <item row="3" column="1"><spacer name="spacer"><property name="orientation"><enum>Qt::Vertical</enum></property>
    <property name="sizeHint" stdset="0"><size><width>5</width><height>7</height></size></property></spacer></item>
  </layout></widget></item>
 <item><widget class="QTabWidget" name="tabs"><widget class="QWidget" name="first"><attribute name="title">
   <string>First</string></attribute></widget></widget></item>
 <item><widget class="QPushButton" name="apply"><property name="text"><string>Apply</string></property>
   <property name="checkable"><bool>true</bool></property></widget></item>
 <item><widget class="QTableWidget" name="table"><property name="rowCount"><number>2</number></property></widget></item>
 <item><widget class="Line" name="line"><property name="orientation"><enum>Qt::Horizontal</enum></property></widget></item>
"""


@pytest.fixture
def load(tmp_path):
    def load(widgets, *connections):
        path = tmp_path / "Example.ui"
        text = "".join(CONNECTION.format(*connection) for connection in connections)
        path.write_text(FILE.format(widgets=widgets, connections=text))
        return slicer.util.loadUI(str(path))

    return load


def test_panel(load):
    widget = load(PANEL)
    ui = slicer.util.childWidgetVariables(widget)
    assert type(widget) is slicer.qMRMLWidget
    assert ui.section.text == "Inputs"
    assert ui.section.collapsed is True
    assert ui.label.alignment == qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert ui.label.buddy() is ui.path
    assert ui.path.filters == ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Readable
    assert (ui.amplitude.minimum, ui.amplitude.maximum, ui.amplitude.singleStep) == (-3, 3, 0.05)
    assert (ui.amplitude.decimals, ui.amplitude.tracking) == (2, False)
    assert ui.amplitude.tickPosition == qt.QSlider.TicksBelow
    assert (ui.choice.count, ui.choice.currentText) == (2, "one")
    assert ui.tabs.tabText(0) == "First"
    assert ui.table.rowCount == 2
    assert ui.line.frameShape == qt.QFrame.HLine
    assert widget.layout().count() == 5


def test_types_are_exactly_those_of_qt_ctk_and_slicer(load):
    ui = slicer.util.childWidgetVariables(load(PANEL + SELECTOR.format(name="selector")))
    for name, cls in {
        "section": ctk.ctkCollapsibleButton,
        "label": qt.QLabel,
        "path": ctk.ctkPathLineEdit,
        "amplitude": ctk.ctkSliderWidget,
        "choice": qt.QComboBox,
        "apply": qt.QPushButton,
        "table": qt.QTableWidget,
        "first": qt.QWidget,
        "selector": slicer.qMRMLNodeComboBox,
        "form": qt.QFormLayout,
    }.items():
        assert type(getattr(ui, name)) is cls


def test_node_selectors_get_the_scene_by_a_connection(scene, load):
    signal, slot = "mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"
    widgets = SELECTOR.format(name="fixed") + SELECTOR.format(name="moving")
    widget = load(widgets, ("Example", signal, "fixed", slot), ("Example", signal, "moving", slot))
    ui = slicer.util.childWidgetVariables(widget)
    assert ui.fixed.nodeTypes == ("vtkMRMLScalarVolumeNode", "vtkMRMLLabelMapVolumeNode")
    assert ui.fixed.SlicerParameterName == "inputVolume"
    assert ui.fixed.toolTip == "Which volume"
    assert ui.fixed.mrmlScene() is None
    widget.setMRMLScene(scene)
    assert ui.fixed.mrmlScene() is ui.moving.mrmlScene() is scene


def test_connections_between_widgets_of_qt(load):
    ui = slicer.util.childWidgetVariables(load(PANEL, ("apply", "toggled(bool)", "table", "setHidden(bool)")))
    ui.apply.click()
    assert ui.table.isHidden()


@pytest.mark.parametrize(
    ("widget", "message"),
    [
        ('<widget class="ctkTreeComboBox" name="x"/>', "The widget class ctkTreeComboBox is not covered"),
        ('<widget class="QFancyWidget" name="x"/>', "The widget class QFancyWidget is not covered"),
        (
            '<widget class="ctkSliderWidget" name="x"><property name="speed"><double>1</double></property></widget>',
            r"The property ctkSliderWidget\.speed is not covered",
        ),
        (
            '<widget class="ctkPathLineEdit" name="x"><property name="filters"><set>ctkPathLineEdit::Odd</set>'
            "</property></widget>",
            "The value ctkPathLineEdit::Odd is not covered",
        ),
    ],
)
def test_what_the_host_lacks_is_refused_by_name(load, widget, message):
    with pytest.raises(NotImplementedError, match=message):
        load(f"<item>{widget}</item>")


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        (("apply", "pushed()", "table", "hide()"), "not possible"),
        (("section", "contentsCollapsed(bool)", "table", "conceal(bool)"), "not possible"),
        (("apply", "clicked()", "nothing", "hide()"), "has no widget nothing"),
    ],
)
def test_impossible_connections_are_refused(load, connection, message):
    from Testing.SlicerHost.pythonqt import expected_errors

    with expected_errors(), pytest.raises(RuntimeError, match=message):
        load(PANEL, connection)


def test_files_that_are_none(tmp_path):
    with pytest.raises(RuntimeError, match="file not found"):
        slicer.util.loadUI(str(tmp_path / "missing.ui"))
    (tmp_path / "other.ui").write_text("no XML")
    with pytest.raises(RuntimeError, match="Could not load UI file"):
        slicer.util.loadUI(str(tmp_path / "other.ui"))
