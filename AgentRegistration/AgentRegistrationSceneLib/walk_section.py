"""The section Register of the panel: the agent is started, watched, made to wait, led by hand, and its result kept."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from DeformationSceneLib import installation
from DeformationSceneLib.background import BackgroundJob
from DeformationSceneLib.messages import error_sentence, errors_shown, show_error
from DeformationSceneLib.model_list import ModelList
from DeformationSceneLib.plots import show_chart
from DeformationSceneLib.registration_result import (
    RegistrationDisplay,
    chosen_outputs,
    reason_against_registration,
    select_first_volumes,
)
from DeformationSceneLib.result_list import ResultList

from .agent_group import AgentGroup
from .live_walk import LiveWalk
from .walk_registration import AgentNodes, WalkRegistration
from .walk_run import WalkPicture, WalkRun, has_ended, take_picture
from .walk_view import WalkView


class WalkSection:
    """What happens between the buttons: one registration at a time, with its live nodes.

    The registration outlives its result: step back, lead it on, and finish again.

    Args:
        ui: widgets by name.
        logic: of the module.
        onFinished: called with the nodes of a finished registration.
        onStarted: called when the views are about to show a walk.
    """

    def __init__(self, ui, logic, onFinished: Callable[[AgentNodes], None], onStarted: Callable[[], None]):
        self.ui, self.logic = ui, logic
        self._onFinished, self._onStarted = onFinished, onStarted
        self._parameters = None
        self._job: BackgroundJob | None = None
        self._run: WalkRun | None = None
        self._walking: WalkRegistration | None = None
        self._inputs: tuple = ()
        self._nodes: AgentNodes | None = None
        self._observed: list[tuple] = []
        self._dragged: tuple = ()
        self._finishNext = False
        self._models = ModelList(ui.modelComboBox, ui.modelPurposeLabel, logic, self._onModelChosen)
        self._display = RegistrationDisplay(ui)
        self._agent = AgentGroup(ui, logic)
        self._view = WalkView(ui, self.take, self._onAmplitude)
        self._results = ResultList(ui.resultChartComboBox, ui.resultChartButton)
        for button, slot in (
            (ui.walkStartButton, self._onStart),
            (ui.walkPauseButton, self._onPause),
            (ui.walkStepButton, self._onStep),
            (ui.walkBackButton, self._onBack),
            (ui.walkFinishButton, self._onFinish),
            (ui.walkTakeButton, self._onTake),
        ):
            button.connect("clicked(bool)", slot)
        self._say("")

    # What the panel asks

    @property
    def running(self) -> bool:
        """Whether work is under way: aligning, walking, or making the outputs."""
        return self._job is not None and self._job.running

    @property
    def walking(self) -> WalkRegistration | None:
        """The registration that can be led, while there is one."""
        return self._walking

    @property
    def live(self) -> LiveWalk | None:
        """What the views show of it."""
        return self._view.live

    @property
    def nodes(self) -> AgentNodes | None:
        """What the last registration has put into the scene."""
        return self._nodes

    def wait(self, seconds: float) -> bool:
        """Handle events until no work is under way, for tests. False if it still is after `seconds`."""
        return self._job is None or self._job.wait(seconds)

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none; a walk goes on while another module is open."""
        self._parameters = parameterNode
        self._agent.setParameterNode(parameterNode)

    def selectDefaults(self):
        """Select the first two volumes where nothing is selected yet."""
        select_first_volumes(self._parameters)

    def modelsChanged(self):
        """Models were installed or removed."""
        self._models.refresh()
        if self._parameters is not None:
            self._models.choose(self._parameters.model)

    def parametersChanged(self):
        """Show what follows from the parameters."""
        self._models.choose(self._parameters.model)
        self._agent.parametersChanged()
        if self._walking is not None and self._selectedInputs() != self._inputs:
            self._stop(_("Other inputs were chosen: press Start to register them."))
        self._update()

    def nodesRemoved(self):
        """Nodes were deleted: perhaps a volume of the walk, or what is shown of it."""
        if self._walking is not None and any(
            node is not None and node.GetScene() is None for node in self._walking.nodes
        ):
            self._stop(_("A volume or the segmentation of the walk was deleted: the walk has ended."))
        elif self.live is not None and not self.live.alive:
            self._stop(_("The live transform was deleted: the walk has ended."))

    def sceneClosing(self):
        """The scene goes away, and all that belongs to it."""
        self._forget(sceneCloses=True)
        self._nodes = None
        self._display.forget()
        self._results.fill(())
        self._say("")

    def cleanup(self):
        """The panel goes away."""
        self._forget()

    # Start and end

    def _onStart(self, _checked=False):
        if self.running or self.live is not None:
            self._stop(_("Cancelled; the scene is as it was."))
            return
        try:
            if installation.ensure_dependencies():
                self._start()
            else:
                self._say(installation.how_to_install(installation.missing_dependencies()))
        except Exception as error:
            self._say(error_sentence(error))
            show_error(error, _("Registration failed"))

    def _start(self):
        parameters = self._parameters
        outputs, into = chosen_outputs(parameters)
        walking = WalkRegistration(
            parameters.fixedVolume,
            parameters.movingVolume,
            parameters.movingSegmentation,
            parameters.fixedMask,
            parameters.movingMask,
            outputs | ({"trajectory"} if parameters.makeTrajectory else set()),
            into,
        )
        # Read now: in the thread the parameters must not be touched.
        model, device, alignment = parameters.model, parameters.device.value, parameters.alignment.value or None
        choices, inputs = self._agent.choices(), self._selectedInputs()
        self._forget()
        self._display.forget()
        self._nodes = None
        self._work(
            lambda progress: walking.begin(lambda: self.logic.model(model, device), alignment, choices, progress),
            lambda _nothing: self._begun(walking, inputs),
            self._showProgress,
        )
        self._say(_("Starting"))

    def _begun(self, walking: WalkRegistration, inputs: tuple):
        """The images are aligned, and the agent stands at its start."""
        walking.checkInScene()
        self._walking, self._inputs = walking, inputs
        self._view.begin(walking.shares)
        self._open(closer=True)
        self._observe()
        self._goOn()

    def _finish(self):
        """Make the outputs of where the walk stands."""
        walking = self._walking
        self._work(walking.end, lambda _nothing: self._finished(walking), self._showProgress)
        self._say(_("Making the outputs"))

    def _finished(self, walking: WalkRegistration):
        nodes = self.logic.finishRegistration(walking)
        self._nodes = nodes
        self._view.close(restore=False)
        self._say(self._endSentence())
        self._display.show(nodes, walking.nodes[0])
        if nodes.segmentation is not None and nodes.segmentation.GetDisplayNode() is not None:
            nodes.segmentation.SetDisplayVisibility(True)  # also where the input is hidden, whose looks it has
        trajectory = nodes.trajectory
        entries = (
            (
                (_("Similarity"), trajectory.similarity),
                (_("Amplitudes"), trajectory.amplitudes),
                (_("Table"), trajectory.table),
            )
            if trajectory is not None
            else ()
        )
        self._results.fill(entries)
        if trajectory is not None and slicer.app.layoutManager() is not None:
            show_chart(trajectory.similarity)
        self._onFinished(nodes)
        self._update()

    def _stop(self, message: str):
        self._forget()
        self._display.showAgain()
        self._say(message)

    def _forget(self, sceneCloses: bool = False):
        """End the walk without a result; nothing of it is left in the scene."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._run, self._finishNext, self._dragged = None, False, ()
        for subject, tag in self._observed:
            subject.RemoveObserver(tag)
        self._observed = []
        self._walking, self._inputs = None, ()
        self._view.close(restore=True, sceneCloses=sceneCloses)

    # The agent by itself

    def _goOn(self):
        """Let the agent walk until it has ended, or is to wait."""
        registration = self._walking.registration
        pace = self._parameters.pace if self._parameters is not None else 0
        self._run = WalkRun(registration, pace)
        self._work(self._run, self._waiting, lambda fraction, _message: self._follow(fraction))
        self._say("")

    def _follow(self, fraction: float):
        self.ui.walkProgressBar.value = round(100 * fraction)
        picture = self._run.picture() if self._run is not None else None
        if picture is not None:
            self._view.follow(picture)

    def _waiting(self, picture: WalkPicture):
        """The agent waits, or has ended."""
        self._view.show(picture)
        ended = has_ended(self._walking.registration)
        if self._finishNext or (ended and not self._run.pausing):
            self._finishNext = False
            self._finish()
        else:
            self._say(_("The agent waits."))

    def _onPause(self, _checked=False):
        if self._isWalking():
            self._run.pause()
            return
        with errors_shown(_("Registration failed")):
            registration = self._walking.registration
            if has_ended(registration):
                registration.resume(self._parameters.steps if self._parameters is not None else 200)
            self._open()
            self._goOn()

    def _onFinish(self, _checked=False):
        if self._isWalking():
            self._finishNext = True
            self._run.pause()
        else:
            with errors_shown(_("Registration failed")):
                self._finish()

    # The agent led by hand

    def take(self, action: int):
        """Take an action by hand; the agent goes on from there."""
        self._lead(lambda walk: walk.take(action))

    def _onTake(self, _checked=False):
        if self._view.chosenAction is not None:
            self.take(self._view.chosenAction)

    def _onStep(self, _checked=False):
        def step(walk):
            if walk.stopped:
                walk.resume(1)
            walk.step()

        self._lead(step)

    def _onBack(self, _checked=False):
        self._lead(lambda walk: walk.step_back())

    def _onAmplitude(self, mode: int, value: float):
        def set_amplitude(walk):
            # All that one hand does to one mode is one state.
            if self._dragged == (mode, walk.states[-1]):
                walk.step_back()
            amplitudes = walk.amplitudes.tolist()
            amplitudes[mode] = value
            walk.set_amplitudes(amplitudes)
            self._dragged = mode, walk.states[-1]

        self._lead(set_amplitude)

    def _lead(self, operation: Callable):
        """Do something to the walk at once, on the main thread; not while the agent walks."""
        if self._walking is None or self.running:
            return
        with errors_shown(_("Registration failed")):
            registration = self._walking.registration
            operation(registration.lead())
            self._open()
            self._view.show(take_picture(registration))
            self._say(_("Led by hand. Continue lets the agent go on from here."))

    def _open(self, closer: bool = False):
        """Let the views show the walk, where they do not yet."""
        if self.live is None:
            self._onStarted()
            self._display.hide()
            kept = self._nodes.segmentation if self._nodes is not None else None
            self._view.open(self._walking, closer, (kept,))

    # Work and state

    def _work(self, work: Callable, finish: Callable, follow: Callable):
        """Run work beside the window, then `finish` with its result; an error ends the walk."""

        def done(result):
            try:
                finish(result)
            except Exception as error:
                self._fail(error)

        self._job = BackgroundJob(work, done, self._fail, None, follow)
        self.ui.walkProgressBar.value = 0
        self._job.start()

    def _fail(self, error):
        self._stop(_("Failed: {sentence}").format(sentence=error_sentence(error)))
        show_error(error, _("Registration failed"))

    def _showProgress(self, fraction, message):
        self.ui.walkProgressBar.value = round(100 * fraction)
        if message:
            self.ui.walkMessageLabel.text = _(message)

    def _say(self, message: str):
        self.ui.walkMessageLabel.text = message
        self.ui.walkMessageLabel.visible = bool(message)
        self._update()

    def _isWalking(self) -> bool:
        return self.running and self._run is not None

    def _update(self):
        """Enable what can be done now."""
        ui, running, live = self.ui, self.running, self.live is not None
        walks = running and self._run is not None and self._walking is not None
        led = self._walking is not None and not running
        busy = running or live
        reason = "" if busy else reason_against_registration(self._parameters)
        ui.walkStartButton.text = _("Cancel") if busy else _("Start")
        ui.walkStartButton.enabled = not reason
        ui.walkStartButton.toolTip = reason or (
            _("Stop; the scene stays as it was") if busy else _("Let the agent register the volumes")
        )
        ui.walkPauseButton.text = _("Pause") if walks or not led else _("Continue")
        ui.walkPauseButton.toolTip = (
            _("Let the agent wait where it is") if walks or not led else _("Let the agent go on from here")
        )
        ui.walkPauseButton.enabled = walks or led
        ui.walkFinishButton.enabled = walks or led
        for widget in (
            ui.walkStepButton,
            ui.walkTakeButton,
            ui.walkActionsTable,
            ui.walkModesTable,
            ui.walkAmplitudeSlider,
        ):
            widget.enabled = led
        ui.walkBackButton.enabled = led and self._walking.walk.taken > 0
        ui.walkProgressBar.visible = running
        ui.walkGroupBox.visible = live

    # Inputs that change

    def _onModelChosen(self, name):
        if self._parameters is not None:
            self._parameters.model = name

    def _selectedInputs(self) -> tuple:
        parameters = self._parameters
        return (
            parameters.fixedVolume,
            parameters.movingVolume,
            parameters.movingSegmentation,
            parameters.fixedMask,
            parameters.movingMask,
        )

    def _observe(self):
        """What makes the walk wrong: another content or place of its volumes."""
        changed = lambda caller, event: self._stop(_("A volume has changed: press Start to register it again."))  # noqa: E731
        events = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        for node in self._walking.nodes[:2]:
            self._observed += [(node, node.AddObserver(event, changed)) for event in events]

    def _endSentence(self) -> str:
        walk = self._walking.walk
        if walk.stopped:
            return _("The agent has ended after {count} steps, where it only went to and fro.").format(count=walk.taken)
        return _("The walk has ended after {count} steps.").format(count=walk.taken)
