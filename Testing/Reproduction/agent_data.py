"""What the reproduction of Krebs, chapter 3, measures on: subjects that no agent was trained on, their pairs, their grids."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from heart_data import validates

from AgentRegistrationLib.agent_cases import (
    HEART_GRID,
    HIPPOCAMPUS_GRID,
    chosen_cases,
    load_heart_slices,
    load_volumes,
    one_slice,
)
from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_registration import look_for_agent
from AgentRegistrationLib.template import AnatomyTemplate
from DeformationLib.alignment import moved
from DeformationLib.case_files import find_cases, split_cases, validation_pairs
from DeformationLib.cases import CaseSet, prepare_cases
from DeformationLib.cine_cases import find_cine_cases, read_cine
from DeformationLib.errors import InputError
from DeformationLib.field_of_view import field_on_image
from DeformationLib.image import Image
from DeformationLib.image_io import read_image, read_labels_of
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import NetworkInput, prepare

RULE = "10:1"
"""Which hippocampi validate, see `case_files.split_cases`."""


@dataclass(frozen=True)
class Subject:
    """One subject that validates."""

    name: str
    image: Image
    labels: Image


Pair = tuple[Subject, Subject]
"""Fixed and moving."""


@dataclass(frozen=True)
class Seen:
    """A translated pair on a grid, for methods that know nothing but that grid.

    Attributes:
        grid: of both.
        fixed, moving: intensities, masks and where the grid lies over either image.
        matrix: 4x4 from fixed to moving points, LPS mm.
    """

    grid: PairGrid
    fixed: NetworkInput
    moving: NetworkInput
    matrix: np.ndarray

    def on_image(self, displacement: np.ndarray, image: Image) -> Image:
        """A displacement ``(D, *size)`` in voxels of the grid, after the translation, as LPS mm on the fixed image's grid."""
        field = torch.from_numpy(np.ascontiguousarray(displacement))[None]
        return field_on_image(self.grid, field, self.fixed.geometry, self.moving.geometry, image.geometry)


@dataclass(frozen=True)
class Anatomy:
    """Subjects of one kind.

    Attributes:
        name: for files, "3-D" or "2-D".
        title: for tables.
        bundle: the agent that is bundled for it.
        grid: of the agent.
        structures: name of each label.
        subjects: that validate.
        training: reads those that train, on the grid.
        networks: of LatentRegistration that register such subjects.
    """

    name: str
    title: str
    bundle: str
    grid: PairGrid
    structures: dict[int, str]
    subjects: list[Subject]
    training: Callable[[], CaseSet]
    networks: tuple[str, ...] = ()

    def pairs(self, most: int = 0) -> list[Pair]:
        """Fixed and moving subjects, each fixed twice: all of them, or so many."""
        found = validation_pairs(len(self.subjects))
        return [(self.subjects[fixed], self.subjects[moving]) for fixed, moving in found[: most or None]]

    def validation(self) -> CaseSet:
        """The subjects that validate, on the grid."""
        return prepare_cases({subject.name: (subject.image, subject.labels) for subject in self.subjects}, self.grid)

    def translator(self, model: AgentModel | None = None) -> Callable[[Pair], np.ndarray]:
        """What brings points of fixed images to moving ones, 4x4 in LPS mm: the translation of an agent.

        Without one, it is that of an agent on this grid, whose template the training subjects make.
        """
        grid, template = (self.grid, AnatomyTemplate.of_cases(self.training())) if model is None else _eyes(model)

        def translate(pair: Pair) -> np.ndarray:
            fixed, moving = pair
            return look_for_agent(grid, fixed.image, moving.image, template=template).alignment.matrix

        return translate

    def seen(self, pair: Pair, matrix: np.ndarray) -> Seen:
        """A pair on this grid, around the fixed image, after its translation."""
        fixed, moving = pair
        place = self.grid.around(fixed.image.geometry)
        seen = prepare(fixed.image, self.grid, fixed.name, place)
        return Seen(self.grid, seen, prepare(moving.image, self.grid, moving.name, moved(place, matrix)), matrix)


def hippocampi(folder: str | Path) -> Anatomy:
    """Volumes of a folder with ``images`` and ``labels``."""
    images, labels = Path(folder) / "images", Path(folder) / "labels"
    cases = find_cases(images, labels)
    training, validation = split_cases([case.name for case in cases], RULE)
    subjects = []
    for case in (cases[index] for index in validation):
        image = read_image(case.image)
        subjects.append(Subject(case.name, image, read_labels_of(case.labels, image, case.image)))

    def read() -> CaseSet:
        return chosen_cases(load_volumes(images, labels, HIPPOCAMPUS_GRID), training)

    structures = {1: "head", 2: "body"}
    networks = ("hippocampus", "hippocampus-skips")
    return Anatomy(
        "3-D", "3-D, hippocampus", "hippocampus-agent", HIPPOCAMPUS_GRID, structures, subjects, read, networks
    )


def heart_slices(folder: str | Path) -> Anatomy:
    """Middle slices at end-diastole, from a folder with a folder per patient."""
    subjects = []
    for case in find_cine_cases(folder):
        if validates(case.name):
            cine = read_cine(case)
            images = cine.frame(cine.ed_frame), cine.labels[cine.ed_frame]
            middle = cine.frames.shape[1] // 2
            subjects.append(Subject(case.name, *(one_slice(image, middle) for image in images)))

    def read() -> CaseSet:
        cases = load_heart_slices(folder, HEART_GRID)
        return chosen_cases(cases, [index for index, name in enumerate(cases.names) if not validates(name)])

    structures = {1: "RV", 2: "myocardium", 3: "LV"}
    return Anatomy("2-D", "2-D, heart", "cardiac-slice-agent", HEART_GRID, structures, subjects, read)


def anatomies(hippocampus: str, hearts: str) -> list[Anatomy]:
    """Those whose folders are given; raises `InputError` where none is, or none holds pairs."""
    found = [read(folder) for read, folder in ((heart_slices, hearts), (hippocampi, hippocampus)) if folder]
    found = [anatomy for anatomy in found if anatomy.pairs()]
    if not found:
        raise InputError("There are no pairs to register: give --hippocampus, --hearts, or both.")
    return found


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Where the subjects are, and how many pairs of them are registered."""
    parser.add_argument(
        "--hippocampus", default="", help="folder with images and labels of hippocampi; empty for no 3-D"
    )
    parser.add_argument("--hearts", default="", help="folder with a folder per patient; empty for no 2-D")
    parser.add_argument("--volume-pairs", type=int, default=20, help="pairs of volumes, at most")
    parser.add_argument("--slice-pairs", type=int, default=40, help="pairs of slices, at most")


def pairs_of(anatomy: Anatomy, options: argparse.Namespace) -> list[Pair]:
    """As many pairs as the options want."""
    return anatomy.pairs(options.volume_pairs if anatomy.grid.dimension == 3 else options.slice_pairs)


def named(text: str) -> dict[str, str]:
    """``title=value`` entries between semicolons."""
    entries = (entry.rpartition("=") for entry in text.split(";") if entry.strip())
    return {title.strip() or Path(value.strip()).name: value.strip() for title, _, value in entries}


def name_of(pair: Pair) -> str:
    """For reports."""
    return f"{pair[1].name} onto {pair[0].name}"


def _eyes(model: AgentModel) -> tuple[PairGrid, AnatomyTemplate | None]:
    return model.grid, model.template
