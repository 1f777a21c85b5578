"""Scan a digital patient: coils, breathing, stations, k-space, noise, magnitude."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.volume import Provenance, Volume
from napari_midrl.phantom.artifacts import (
    add_heart_ghosts,
    distort,
    draw_artifacts,
    shift_stations,
)
from napari_midrl.phantom.contrast import signal_image
from napari_midrl.phantom.fields import spline_field
from napari_midrl.phantom.pelvis import rectal_gas
from napari_midrl.phantom.pose import to_lps_mm
from napari_midrl.phantom.protocols import Protocol, protocol_grid
from napari_midrl.phantom.render import TissueMap, tissue_map
from napari_midrl.phantom.sequences import (
    DIXON_ECHOES_MS,
    Contrast,
    adc_map,
    dixon_water_fat,
    signal_tables,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid
    from napari_midrl.phantom.patient import Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]
    Signal = npt.NDArray[np.complex64] | Array

B_VALUES_S_MM2 = (0.0, 400.0, 800.0)
DCE_TIMES_S = (0.0, 90.0, 210.0, 330.0)
"""Before the agent, and three phases after it."""
_GRAY_OF_REFERENCE = 1200.0


def acquire(
    patient: Patient,
    protocol: Protocol,
    tissues: TissueMap | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Volume, ...]:
    """Return the images of one acquisition.

    Parameters
    ----------
    patient
        From `draw_patient`.
    protocol
        What to acquire.
    tissues
        The patient on the protocol's grid, where it is known already.
    rng
        Of noise, coils, stations and artifacts; None derives it from the patient's
        seed.

    Returns
    -------
    volumes
        One for T1w and T2w; in, opposed, water, fat for Dixon; b-values and ADC for
        diffusion; phases and subtraction for a dynamic series. uint16, like DICOM.
    """
    if tissues is None:
        tissues = tissue_map(patient, protocol_grid(patient, protocol))
    if rng is None:
        kinds = list(SequenceKind)
        rng = np.random.default_rng([patient.seed, 900, kinds.index(protocol.kind)])
    scanner = _Scanner(patient, protocol, tissues, rng)
    make = {
        SequenceKind.DIXON_IN: _dixon,
        SequenceKind.DWI: _diffusion,
        SequenceKind.DCE: _dynamic,
    }.get(protocol.kind, _single)
    source = Provenance(source=f"phantom {patient.seed}")
    return tuple(
        Volume(
            _grays(image, sequence, scanner.reference),
            tissues.grid,
            f"{protocol.region} {sequence.label}",
            sequence,
            source,
        )
        for sequence, image in make(scanner)
    )


class _Scanner:
    """One acquisition's coil gain, noise level and k-space, shared by its images."""

    def __init__(
        self,
        patient: Patient,
        protocol: Protocol,
        tissues: TissueMap,
        rng: np.random.Generator,
    ) -> None:
        self.patient = patient
        self.protocol = protocol
        self.tissues = tissues
        # A child's numbers do not shift those of noise and coils.
        self.artifacts = draw_artifacts(rng.spawn(1)[0], protocol)
        self._rng = rng
        self._gain = _coil_gain(protocol, tissues, rng)
        water, fat = signal_tables(protocol.contrast, protocol.field_tesla)
        self.reference = float(np.percentile(np.abs(water + fat), 80))
        self._sigma = np.float32(self.reference / protocol.snr)
        self._phase_axis = 0 if protocol.plane == "coronal" else 1
        n = tissues.grid.shape_ijk[self._phase_axis]
        self._crop = kspace_crop(n, protocol.phase_share)
        readout = 1 if protocol.plane == "coronal" else 0
        self._fat_shift = (readout, self.artifacts.fat_shift_voxels)
        self._breathing = _breathing_rows(protocol, patient, tissues.grid)

    def scan(self, contrast: Contrast) -> npt.NDArray[np.complex64]:
        """Return the complex image of one contrast, noise included."""
        tables = signal_tables(contrast, self.protocol.field_tesla)
        signal = signal_image(self.tissues, *tables, self._fat_shift)
        signal = _thick_slices(signal)
        if self._breathing is not None:
            _blur_by_breathing(signal, self._breathing)
        signal = self._spoiled(signal)
        noisy = np.empty(signal.shape, np.complex64)
        noisy.real = signal.real * self._gain + self._noise(signal.shape)
        if np.iscomplexobj(signal):
            noisy.imag = signal.imag * self._gain
            noisy.imag += self._noise(signal.shape)
        else:
            noisy.imag = self._noise(signal.shape)
        return self._cropped(noisy)

    def magnitude(self, contrast: Contrast) -> Array:
        """Return the magnitude image of one contrast: noise becomes Rician."""
        return np.abs(self.scan(contrast))

    def _spoiled(self, signal: Signal) -> Signal:
        """Return the signal with the artifacts that precede coils and noise."""
        found, grid = self.artifacts, self.tissues.grid
        if found.ghost_share > 0:
            heart = self._along_axes(self.patient.heart.center)
            axes = _axes_mm(grid)
            add_heart_ghosts(signal, axes, heart, found, self._phase_axis)
        if any(found.seam_shift_mm):
            left_mm = float(grid.affine_lps[0, 0])
            signal = shift_stations(signal, found.seam_shift_mm, left_mm)
        if found.gas_mm:
            gas = self._along_axes(rectal_gas(self.patient))
            signal = distort(signal, _axes_mm(grid), gas, found, self._phase_axis)
        return signal

    def _along_axes(self, point_mm: Point) -> npt.NDArray[np.float64]:
        """Return a point of the body as LPS mm in the order of the voxel axes."""
        order = np.abs(self.tissues.grid.affine_lps[:3, :3]).argmax(axis=0)
        position: npt.NDArray[np.float64] = to_lps_mm(self.patient.pose, point_mm)[
            order
        ]
        return position

    def swapped(self) -> tuple[slice, slice] | None:
        """Return columns and rows where fat is taken for water, if anywhere.

        Phase is unwrapped from voxel to voxel within a station, so a mistake fills
        what is connected there: all of it, or a leg, which only air surrounds.
        """
        found, grid = self.artifacts, self.tissues.grid
        if found.swapped is None:
            return None
        columns, rows = grid.shape_ijk[:2]
        if found.swapped == "station":
            edges = np.array([found.swapped_station, found.swapped_station + 1])
            first, last = edges * rows // self.protocol.n_stations
            return slice(None), slice(int(first), int(last))
        fork = to_lps_mm(self.patient.pose, (0, 0, 0.44 * self.patient.height_mm))
        middle, low, _ = grid.to_ijk(fork)
        column = int(np.clip(round(float(middle)), 0, columns))
        n = self.protocol.n_stations
        row = rows * int(np.clip(np.ceil(float(low) * n / rows), 0, n - 1)) // n
        left = found.swapped == "left leg"
        return slice(column, None) if left else slice(column), slice(row, None)

    def _noise(self, shape: tuple[int, ...]) -> Array:
        """Return Gaussian noise of the acquisition's level."""
        noise = self._rng.standard_normal(shape, dtype=np.float32)
        noise *= self._sigma
        return noise

    def _cropped(self, image: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
        """Return the image after the k-space lines that were not acquired are zero."""
        pairs = np.ascontiguousarray(image).view(np.float32)
        if self._phase_axis == 0:
            flat = self._crop @ pairs.reshape(pairs.shape[0], -1)
        else:
            flat = np.matmul(self._crop, pairs)
        cropped: npt.NDArray[np.complex64] = np.ascontiguousarray(
            flat.reshape(pairs.shape)
        ).view(np.complex64)
        return cropped


def kspace_crop(n: int, share: float) -> Array:
    """Return the matrix that keeps the middle of k-space along one axis.

    Lines beyond `share` of the half width are zero; the last tenth fades out, as
    scanners filter against ringing. Shape (n, n), rows sum to 1.
    """
    frequency = np.abs(np.fft.fftfreq(n)) * 2 / share
    window = np.clip((1.0 - frequency) / 0.12, 0, 1)
    first = np.fft.ifft(window).real
    offset = (np.arange(n)[:, None] - np.arange(n)[None, :]) % n
    matrix: Array = first[offset].astype(np.float32)
    return matrix


def _thick_slices(signal: Signal) -> Signal:
    """Return slices that see a little of their neighbors, as real profiles do."""
    blurred = signal * signal.dtype.type(0.76)
    blurred[:, :, 1:] += np.float32(0.12) * signal[:, :, :-1]
    blurred[:, :, :-1] += np.float32(0.12) * signal[:, :, 1:]
    blurred[:, :, 0] += np.float32(0.12) * signal[:, :, 0]
    blurred[:, :, -1] += np.float32(0.12) * signal[:, :, -1]
    return blurred


def _breathing_rows(
    protocol: Protocol, patient: Patient, grid: VoxelGrid
) -> tuple[slice, int] | None:
    """Return the rows about the diaphragm of a whole-body image, and the excursion."""
    if protocol.region != "whole body":
        return None
    dome = to_lps_mm(patient.pose, (0, 0, patient.dome_mm))
    row = round(float(grid.to_ijk(dome)[1]))
    reach = round(95 / protocol.pixel_mm)
    shift = max(1, round(3.0 / protocol.pixel_mm))
    low = max(row - reach, 2 * shift)
    high = min(row + reach, grid.shape_ijk[1] - 2 * shift)
    return slice(low, high), shift


def _blur_by_breathing(signal: Signal, rows: tuple[slice, int]) -> None:
    """Average the breathing positions in place, most at the diaphragm."""
    block, shift = rows
    still = signal[:, block].copy()
    up = signal[:, block.start - shift : block.stop - shift].copy()
    down = signal[:, block.start + shift : block.stop + shift].copy()
    n = block.stop - block.start
    weight = (0.30 * np.hanning(n)).astype(np.float32)[None, :, None]
    signal[:, block] = still * (1 - 2 * weight) + (up + down) * weight


def _coil_gain(
    protocol: Protocol, tissues: TissueMap, rng: np.random.Generator
) -> Array:
    """Return sensitivity: brighter under the skin, smooth bias, steps at the seams."""
    depth = np.arange(256, dtype=np.float32)
    local = {"whole body": 0.45, "breast": 1.3, "prostate": 0.35}[protocol.region]
    gain = np.asarray(1 + local * np.exp(-depth / 42), np.float32).take(
        tissues.depth_mm
    )
    axes = _axes_mm(tissues.grid)
    spacing = (190.0, 190.0, 230.0)
    i, j, k = np.abs(tissues.grid.affine_lps[:3, :3]).argmax(axis=0)
    bias = spline_field(rng, (spacing[i], spacing[j], spacing[k]), (8, 8, 12))
    gain *= np.exp(np.float32(0.13) * bias.on_axes(*axes))
    if protocol.n_stations > 1:
        gain *= _station_steps(protocol.n_stations, tissues.grid, rng)
    return gain


def _axes_mm(grid: VoxelGrid) -> tuple[Array, Array, Array]:
    """Return the LPS coordinate that changes along each voxel axis, mm."""
    order = np.abs(grid.affine_lps[:3, :3]).argmax(axis=0)
    i, j, k = (
        (
            grid.affine_lps[order[n], 3]
            + grid.affine_lps[order[n], n] * np.arange(grid.shape_ijk[n])
        ).astype(np.float32)
        for n in range(3)
    )
    return i, j, k


def _station_steps(n: int, grid: VoxelGrid, rng: np.random.Generator) -> Array:
    """Return each station's gain with falling ends, along j of a coronal grid."""
    rows = np.arange(grid.shape_ijk[1], dtype=np.float32)
    within = (rows * n / len(rows)) % 1
    fall = 1 - 0.16 * np.abs(2 * within - 1) ** 4
    steps = np.exp(rng.normal(0, 0.035, n))
    gain: Array = (fall * steps[(rows * n // len(rows)).astype(int)]).astype(np.float32)
    return gain[None, :, None]


def _single(scanner: _Scanner) -> list[tuple[Sequence, Array]]:
    """Return one image."""
    contrast = scanner.protocol.contrast
    return [(Sequence(contrast.kind), scanner.magnitude(contrast))]


def _dixon(scanner: _Scanner) -> list[tuple[Sequence, Array]]:
    """Return in and opposed phase, and the water and fat computed from them."""
    contrast = scanner.protocol.contrast
    opposed_te, in_te = DIXON_ECHOES_MS[scanner.protocol.field_tesla > 2.25]
    in_phase = scanner.scan(replace(contrast, te=in_te))
    opposed = scanner.scan(replace(contrast, te=opposed_te))
    in_magnitude, opposed_magnitude = np.abs(in_phase), np.abs(opposed)
    signed = opposed.real.copy()
    region = scanner.swapped()
    if region is not None:
        signed[region] *= -1
    water, fat = dixon_water_fat(in_magnitude, opposed_magnitude, signed)
    k = SequenceKind
    images = (in_magnitude, opposed_magnitude, water, fat)
    kinds = (k.DIXON_IN, k.DIXON_OPPOSED, k.DIXON_WATER, k.DIXON_FAT)
    return [(Sequence(kind), image) for kind, image in zip(kinds, images, strict=True)]


def _diffusion(scanner: _Scanner) -> list[tuple[Sequence, Array]]:
    """Return every b-value and the ADC computed from them."""
    images = tuple(
        scanner.magnitude(replace(scanner.protocol.contrast, b_value_s_mm2=b))
        for b in B_VALUES_S_MM2
    )
    found = [
        (Sequence(SequenceKind.DWI, b_value_s_mm2=b), image)
        for b, image in zip(B_VALUES_S_MM2, images, strict=True)
    ]
    adc = adc_map(B_VALUES_S_MM2, images)
    adc[images[0] < 0.1 * scanner.reference] = 0
    return [*found, (Sequence(SequenceKind.ADC), adc)]


def _dynamic(scanner: _Scanner) -> list[tuple[Sequence, Array]]:
    """Return the phases of a dynamic series and the subtraction of the second."""
    images = []
    for time_s in DCE_TIMES_S:
        after = time_s / 60 if time_s > 0 else None
        images.append(
            scanner.magnitude(replace(scanner.protocol.contrast, t_min=after))
        )
    found = [
        (Sequence(SequenceKind.DCE, time_s=time_s, phase=n), image)
        for n, (time_s, image) in enumerate(zip(DCE_TIMES_S, images, strict=True))
    ]
    subtraction = np.maximum(images[1] - images[0], 0)
    return [*found, (Sequence(SequenceKind.DCE_SUBTRACTION), subtraction)]


def _grays(
    image: Array, sequence: Sequence, reference: float
) -> npt.NDArray[np.uint16]:
    """Return an image as a scanner stores it: whole numbers from 0."""
    adc = sequence.kind == SequenceKind.ADC
    scale = 1.0 if adc else _GRAY_OF_REFERENCE / reference
    scaled = image * np.float32(scale)
    scaled += np.float32(0.5)
    grays: npt.NDArray[np.uint16] = np.minimum(scaled, 65535).astype(np.uint16)
    return grays
