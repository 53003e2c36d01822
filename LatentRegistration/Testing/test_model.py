"""Registration by a network: geometry, bad inputs, and what must hold for the trained models that are shipped."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial.transform import Rotation

from DeformationLib import catalogue
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.preprocessing import NetworkGrid
from DeformationLib.progress import Progress
from DeformationLib.registration import displacement_to_sitk, warp_image
from LatentRegistrationLib.model import RegistrationModel

OBLIQUE = Rotation.from_euler("xyz", (15, -20, 30), degrees=True).as_matrix()
FIXED = Geometry((15, 14, 13), (0.9, 1.0, 1.1), (-20, 35, 10))
MOVING = Geometry((14, 16, 15), (1.0, 0.9, 0.95), (40, -12, 5))


def points_of(geometry):
    """LPS positions of all voxels, (k, j, i, 3)."""
    return geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1])


def at(field, points):
    """A displacement at physical points, by SimpleITK's own interpolation."""
    transform = sitk.DisplacementFieldTransform(displacement_to_sitk(field))
    return np.array([np.subtract(transform.TransformPoint(point), point) for point in np.asarray(points, float)])


def stored_otherwise(image, axes=(), order=(0, 1, 2)):
    """The same voxels at the same places, stored with array axes turned around and in another order."""
    first = [length - 1 if axis in axes else 0 for axis, length in enumerate(image.array.shape)]
    origin = image.geometry.index_to_physical(first[::-1])
    signs = np.array([-1.0 if axis in axes else 1.0 for axis in range(3)])
    array = np.transpose(np.flip(image.array, axes), order)
    # Columns of the direction go with i, j, k, axes of the array with k, j, i.
    columns = (image.direction * signs[::-1])[:, [2 - axis for axis in order[::-1]]]
    return Image(array, tuple(image.spacing_kji[axis] for axis in order[::-1]), tuple(origin), columns)


@pytest.fixture
def registered(make_model, blobs):
    """A random model, two blobs on different grids, and their registration: some voxels of displacement."""
    model = make_model()
    fixed, moving = blobs(FIXED)[0], blobs(MOVING, shift=(1.0, -0.5, 0.5))[0]
    return model, fixed, moving, model.register(fixed, moving)


def test_the_fields_lie_on_the_images_and_move_by_whole_voxels(registered):
    _, fixed, moving, result = registered
    assert result.displacement.same_grid(fixed)
    assert result.inverse_displacement.same_grid(moving)
    # Beside the network's own deformation, the centres of the boxes are put on each other.
    local = result.displacement.array - (moving.geometry.centre - fixed.geometry.centre)
    assert 1 < np.linalg.norm(local, axis=-1).max() < 8


def test_the_displacement_is_the_networks_at_the_networks_voxels(make_model, blobs):
    """By hand, where voxels coincide: index in the fixed network grid, displaced, in the moving network grid."""
    model = make_model()
    fixed = blobs(Geometry((14, 16, 12), origin=(-20, 35, 10)))[0]
    moving = blobs(Geometry((12, 13, 16), origin=(7, 8, 9)), shift=(1.0, -0.5, 0.5))[0]
    grid_f, grid_m = model.grid.around(fixed.geometry), model.grid.around(moving.geometry)
    with torch.inference_mode():
        forward, backward = model.network(model.prepare(fixed).image, model.prepare(moving).image)
    points = points_of(fixed.geometry)
    index = np.rint(grid_f.physical_to_index(points)).astype(int)
    np.testing.assert_allclose(grid_f.index_to_physical(index), points, atol=1e-6)
    expected = []
    for field in (forward, backward):
        u = field[0].numpy()[:, index[..., 2], index[..., 1], index[..., 0]]
        expected.append(grid_m.index_to_physical(index + np.moveaxis(u[::-1], 0, -1)) - points)
    result = model.register(fixed, moving).displacement.array
    np.testing.assert_allclose(result, expected[0], atol=1e-3)
    assert np.abs(result - expected[1]).max() > 0.5


def test_simpleitk_applies_the_displacement_as_the_result_does(registered):
    _, fixed, moving, result = registered
    transform = sitk.DisplacementFieldTransform(displacement_to_sitk(result.displacement))
    resampled = sitk.Resample(moving.to_sitk(), fixed.to_sitk(), transform, sitk.sitkLinear, -1.0)
    expected = sitk.GetArrayFromImage(resampled)
    warped = result.warp(moving, padding=-1.0).array
    # Up to half a voxel beyond the outermost centres, the two may disagree on what is still inside.
    both = (expected > -0.5) & (warped > -0.5)
    assert both.mean() > 0.5
    np.testing.assert_allclose(warped[both], expected[both], atol=0.02)


def test_the_inverse_brings_points_back(registered):
    _, fixed, _, result = registered
    points = points_of(fixed.geometry)[4:9:2, 4:10:2, 4:11:2].reshape(-1, 3)
    there = points + at(result.displacement, points)
    back = there + at(result.inverse_displacement, there)
    assert np.linalg.norm(there - points, axis=1).min() > 20
    assert np.linalg.norm(back - points, axis=1).mean() < 0.3
    assert result.inverse_consistency() < 0.5


@pytest.mark.parametrize("alignment", ["centres", "none"])
@pytest.mark.parametrize("skips", [False, True])
def test_an_image_registered_to_itself_stays(make_model, blobs, skips, alignment):
    image, _ = blobs(FIXED)
    result = make_model(skips=skips).register(image, image, alignment)
    np.testing.assert_allclose(result.displacement.array, 0, atol=1e-4)
    np.testing.assert_allclose(result.inverse_displacement.array, 0, atol=1e-4)
    np.testing.assert_allclose(result.warp(image).array, image.array, atol=1e-2)


@pytest.mark.parametrize(
    ("axes", "order"),
    [((2,), (0, 1, 2)), ((0, 1), (0, 1, 2)), ((), (2, 0, 1)), ((0, 2), (1, 0, 2)), ((0, 1, 2), (2, 1, 0))],
)
@pytest.mark.parametrize("alignment", ["centres", "none"])
def test_the_same_voxels_stored_otherwise_move_the_same_way(make_model, blobs, axes, order, alignment):
    model, rotation = make_model(), OBLIQUE
    fixed = blobs(Geometry(FIXED.size, FIXED.spacing, FIXED.origin, rotation))[0]
    moving = blobs(Geometry(MOVING.size, MOVING.spacing, tuple(np.add(FIXED.origin, 1.3)), rotation), (1, -0.5, 0.5))[0]
    reference = model.register(fixed, moving, alignment)
    other = model.register(
        stored_otherwise(fixed, axes, order), stored_otherwise(moving, axes[:1], (1, 2, 0)), alignment
    )
    stored = stored_otherwise(Image.on_grid(np.zeros(fixed.geometry.shape_kji), fixed.geometry), axes, order)
    assert other.displacement.same_grid(stored)
    back = np.flip(np.transpose(other.displacement.array, (*np.argsort(order), 3)), axes)
    np.testing.assert_allclose(back, reference.displacement.array, atol=2e-3)
    assert np.linalg.norm(reference.displacement.array, axis=-1).max() > 1


def test_an_oblique_sampling_of_the_same_bodies_moves_the_same_points_alike(make_model, blobs):
    """Two grids that share nothing but the body in the middle: the displacement agrees to interpolation error."""
    model = make_model((16, 16, 16), 1.5)
    straight = [Geometry((30, 30, 30), (0.8,) * 3, (-11.6,) * 3) for _ in range(2)]
    # The oblique box is large enough to hold the network's grid, so that both show it the same.
    fine = Geometry((60, 60, 60), (0.7,) * 3, direction=OBLIQUE)
    oblique = Geometry(fine.size, fine.spacing, tuple(-fine.centre), OBLIQUE)
    shift = (1.0, -0.5, 0.5)
    results = []
    for geometry in (Geometry((52, 52, 52), (0.8,) * 3, (-20.4,) * 3), oblique):
        results.append(model.register(blobs(geometry)[0], blobs(geometry, shift)[0]))
    points = points_of(straight[0])[6:25:6, 6:25:6, 6:25:6].reshape(-1, 3)
    one, other = (at(result.displacement, points) for result in results)
    assert np.linalg.norm(one, axis=1).mean() > 0.8
    assert np.linalg.norm(one - other, axis=1).max() < 0.1 * np.linalg.norm(one, axis=1).max()


def test_with_trust_in_positions_the_centres_are_not_aligned(make_model, blobs):
    model = make_model(strength=0.0)
    fixed, moving = blobs(FIXED)[0], blobs(Geometry(FIXED.size, FIXED.spacing, (-17, 35, 10)))[0]
    np.testing.assert_allclose(model.register(fixed, moving, "none").displacement.array, 0, atol=1e-4)
    expected = np.broadcast_to((3, 0, 0), (*FIXED.shape_kji, 3))
    np.testing.assert_allclose(model.register(fixed, moving).displacement.array, expected, atol=0.6)


def test_a_pair_can_be_registered_by_some_components_alone(registered):
    model, fixed, moving, result = registered
    none, some = (model.register(fixed, moving, components=count) for count in (0, 3))
    shift = np.broadcast_to(none.displacement.array.reshape(-1, 3)[0], none.displacement.array.shape)
    np.testing.assert_allclose(none.displacement.array, shift, atol=1e-3)
    assert np.abs(some.displacement.array - shift).max() > 0.05
    assert np.abs(some.displacement.array - result.displacement.array).max() > 0.05
    with pytest.raises(InputError, match="this model has 3"):
        model.register(fixed, moving, components=4)


def test_the_result_tells_what_was_done(registered):
    result = registered[-1]
    assert result.model == "random"
    assert 0 <= result.similarity_before <= 1
    assert 0 <= result.similarity_after <= 1
    assert {"preparing", "network"} < result.seconds.keys()
    assert all(seconds >= 0 for seconds in result.seconds.values())


def test_registering_changes_neither_image(make_model, blobs):
    fixed, moving = blobs(FIXED)[0], blobs(MOVING)[0]
    before = fixed.array.copy(), moving.array.copy()
    make_model().register(fixed, moving)
    assert np.array_equal(fixed.array, before[0])
    assert np.array_equal(moving.array, before[1])


def test_registering_can_be_cancelled_at_every_report(make_model, blobs):
    model, image = make_model(), blobs()[0]
    fractions = []
    model.register(image, image, progress=Progress(lambda fraction, message: fractions.append(fraction)))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    for number in range(len(fractions)):
        calls, progress = iter(range(len(fractions))), Progress()
        progress._callback = lambda *_, p=progress, c=calls, n=number: p.cancel() if next(c) == n else None
        with pytest.raises(Cancelled):
            model.register(image, image, progress=progress)


@pytest.mark.parametrize("integer", [np.uint8, np.int16, np.uint16, np.int32])
def test_any_scalar_type_is_registered_alike(make_model, blobs, integer):
    model, moving = make_model(), blobs(shift=(1, 0, 0))[0]
    whole = blobs()[0]
    whole = whole.with_array(np.rint(whole.array))
    expected = model.register(whole, moving).displacement.array
    result = model.register(whole.with_array(whole.array.astype(integer)), moving).displacement.array
    np.testing.assert_allclose(result, expected, atol=1e-4)


NOISE = np.random.default_rng(0).normal(size=(12, 12, 12)).astype(np.float32)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.where(NOISE > 2, np.nan, NOISE), "NaN or infinite"),
        (np.where(NOISE > 2, np.inf, NOISE), "NaN or infinite"),
        (np.full((12, 12, 12), 7.0), "value 7 everywhere"),
        (NOISE[:1], "one slice"),
        (NOISE[:, :, :, None].repeat(3, axis=3), "3 components"),
    ],
)
def test_bad_images_are_refused_and_named(make_model, array, reason):
    model, good = make_model(), Image(NOISE)
    with pytest.raises(InputError, match=f"^The fixed image.*{reason}"):
        model.register(Image(array), good)
    with pytest.raises(InputError, match=f"^The moving image.*{reason}"):
        model.register(good, Image(array))
    with pytest.raises(InputError, match=f"^The image.*{reason}"):
        model.explorer(Image(array))


def test_images_apart_are_refused_where_positions_are_trusted(make_model):
    apart = Image(NOISE, origin=(100, 0, 0))
    with pytest.raises(InputError, match="do not overlap.*100 mm apart"):
        make_model().register(Image(NOISE), apart, alignment="none")
    assert make_model().register(Image(NOISE), apart).displacement.array[..., 0].mean() == pytest.approx(100, abs=5)


def test_an_unknown_alignment_is_refused(make_model):
    with pytest.raises(ValueError, match="alignment"):
        make_model().register(Image(NOISE), Image(NOISE), alignment="corners")


def test_an_unknown_model_name_is_refused():
    with pytest.raises(InputError, match="no model 'no such model'"):
        RegistrationModel.load("no such model", "cpu")


@pytest.mark.parametrize(
    ("size", "spacing", "reason"),
    [
        ((16, 16, 16), 1, None),
        ((12, 12, 12), 3, "far coarser"),
        ((40, 40, 40), 1, "larger"),
        ((6, 6, 6), 1, "much smaller"),
    ],
)
def test_images_unlike_the_training_images_are_warned_about(make_model, size, spacing, reason):
    image = Image(np.random.default_rng(0).normal(size=size), (spacing,) * 3)
    warnings = [text for text in make_model().register(image, image).warnings if "standard deviations" not in text]
    assert (reason is None) == (not warnings)
    if reason:
        assert any(reason in text for text in warnings)
        assert {text.split()[1] for text in warnings} == {"fixed", "moving"}


def test_a_model_of_slices_registers_slices_in_any_plane(make_model, blobs):
    model = make_model(size=(16, 16))
    fixed = Image(blobs()[0].array[8], (1, 1, 4), (3, 4, 5), OBLIQUE)
    moving = Image(blobs(shift=(1.5, -1, 0))[0].array[8], (1, 1, 4), (3, 4, 5), OBLIQUE)
    result = model.register(fixed, moving)
    along_normal = result.displacement.array @ OBLIQUE[:, 2]
    np.testing.assert_allclose(along_normal, 0, atol=1e-4)
    assert np.abs(result.displacement.array).max() > 0.5
    assert result.inverse_displacement.same_grid(moving)
    assert np.isfinite(result.similarity_after)


def test_an_explorer_deforms_along_one_component_or_several(make_model, blobs):
    model, image = make_model(), blobs(FIXED)[0]
    explorer = model.explorer(image)
    assert explorer.coefficients.shape == explorer.standard_deviations.shape == (3,)
    np.testing.assert_allclose(explorer.coefficients, model.decomposition.project(model.encode(image))[0])
    amplitude = 2 * explorer.standard_deviations[1]
    single = explorer.displacement(1, amplitude)
    assert single.same_grid(image)
    assert np.abs(single.array).max() > 0.05
    np.testing.assert_allclose(explorer.displacement(amplitudes=[0, amplitude]).array, single.array, atol=1e-5)
    np.testing.assert_allclose(explorer.displacement(1, 0.0).array, 0, atol=1e-5)
    assert not warp_image(image, explorer.displacement(1, 0.0)).same_grid(Image(NOISE))
    with pytest.raises(InputError, match="no component 4"):
        explorer.displacement(3, 1.0)


def test_a_grid_that_the_network_does_not_fit_is_refused(make_network):
    with pytest.raises(InputError, match="multiples of 4"):
        RegistrationModel(make_network(), NetworkGrid((16, 16, 18), 1.0), {})


# ---- the models that are shipped -------------------------------------------------------------------------------------

SHIPPED = ("hippocampus", "hippocampus-skips")


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request):
    """Folder and model of a shipped bundle."""
    folder = catalogue.catalogue().get(request.param)
    if folder is None:
        pytest.skip(f"the bundle {request.param} is not installed")
    return folder, RegistrationModel.load(folder, "cpu", torch.float32)


def test_a_shipped_decoder_maps_zero_to_the_identity(shipped):
    _, model = shipped
    image = torch.rand(1, 1, *model.grid.size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        encoded = model.network.encode(image)
        displacement, gradients = model.network.decode(
            tuple(torch.zeros_like(part) for part in encoded), model.grid.size
        )
        forward, backward = model.network(image, image)
    assert not displacement.any()
    assert (gradients == 1).all()
    assert not forward.any()
    assert not backward.any()


@pytest.mark.parametrize("component", range(8))
def test_a_shipped_component_deforms_more_the_farther_one_goes_and_each_way_differently(shipped, component):
    _, model = shipped
    decomposition = model.decomposition
    deviation = decomposition.standard_deviations[component]

    def field(amplitude):
        direction = decomposition.direction(decomposition.amplitudes(component, amplitude))
        with torch.inference_mode():
            return model.network.decode((direction,), model.grid.size)[0]

    steps = np.arange(4.0)
    ends = []
    for sign in (1, -1):
        fields = [field(sign * step * deviation) for step in steps]
        means = [float(displacement.norm(dim=1).mean()) for displacement in fields]
        assert means[0] == 0
        assert all(far > near for near, far in zip(means, means[1:])), means
        ends.append(fields[-1])
    apart = (ends[0] - ends[1]).norm(dim=1).mean()
    assert apart > 0.25 * max(end.norm(dim=1).mean() for end in ends)


def test_a_shipped_card_is_complete(shipped):
    folder, model = shipped
    card = catalogue.read_card(folder)
    assert card["name"] == folder.name
    assert model.network.configuration.skips == (folder.name == "hippocampus-skips")
    for key in ("purpose", "not_for_clinical_use", "normalisation"):
        assert len(card[key]) > 20, key
    training = card["training"]
    for key in ("data", "licence", "command", "date"):
        assert training[key], key
    assert training["cases"] > 100
    assert isinstance(training["seed"], int)
    assert "/tmp" not in training["command"]
    accuracy = card["accuracy"]
    assert accuracy["script"]
    assert accuracy["date"]
    assert 0.6 < accuracy["score"] < 1
    assert accuracy["folding_percent"] < 0.1


def test_shipped_weights_are_those_of_the_card_and_small(shipped):
    folder, _ = shipped
    assert catalogue.read_card(folder)["weights_sha256"] == catalogue.file_hash(folder / catalogue.WEIGHTS)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000_000


def test_a_shipped_decomposition_is_orthonormal_and_in_order(shipped):
    _, model = shipped
    decomposition = model.decomposition
    identity = np.eye(decomposition.count)
    np.testing.assert_allclose(decomposition.components @ decomposition.components.T, identity, atol=1e-6)
    assert decomposition.count == 32
    assert (np.diff(decomposition.explained_variance) <= 0).all()
    assert 0.5 < decomposition.explained_variance_ratio.sum() <= 1.001
    # The training cases lie around the mean code, as far as the standard deviations say.
    coefficients = decomposition.coefficients
    spread = decomposition.standard_deviations
    np.testing.assert_allclose(coefficients.mean(axis=0) / spread, 0, atol=0.02)
    np.testing.assert_allclose(coefficients.std(axis=0, ddof=1), spread, rtol=0.02)


def test_half_precision_moves_the_result_by_hundredths_of_a_voxel(make_model, blobs):
    model = make_model()
    fixed, moving = blobs()[0], blobs(shift=(1.0, 0.5, -0.5))[0]
    exact = model.register(fixed, moving).displacement.array
    quick_model = RegistrationModel(model.network, model.grid, model.card, precision=torch.bfloat16)
    quick = quick_model.register(fixed, moving).displacement.array
    assert 0 < np.abs(quick - exact).max() < 0.1 * np.abs(exact).max()


def test_the_inverse_is_computed_when_it_is_asked_for(registered):
    *_, result = registered
    assert "inverse" not in result.seconds
    assert result.inverse_displacement is result.inverse_displacement
    assert "inverse" in result.seconds
