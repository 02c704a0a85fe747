"""HDR frames to SDR: PQ and HLG in BT.2020 become BT.709, their highlights rolled off.

The network was trained on SDR pictures, so PQ or HLG values would mean something else to it.
"""

from __future__ import annotations

from functools import cache

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from videostyle.media.color import RGB, convert
from videostyle.media.info import HDR_TRANSFERS, ColorSpec

Floats = npt.NDArray[np.float32]
# Luminance of graphics white in nits, which SDR shows as its white (ITU-R BT.2408, section 2.1),
# and the brightest that is told from what is brighter still.
WHITE_NITS, PEAK_NITS = 203.0, 1000.0
_BT2020_TO_BT709 = np.array(  # ITU-R BT.2087, section 4, inverted
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # ITU-R BT.2020, table 4
_STEPS = 4096


def tone_map(
    reformatter: VideoReformatter, image: av.VideoFrame, color: ColorSpec
) -> av.VideoFrame:
    """An rgb24 frame of BT.709 for a frame of PQ or HLG, of any format."""
    # Planar: swscale's packed 16-bit RGB comes out wrong from 10-bit planes.
    codes = convert(reformatter, image, "gbrp16le", color, RGB).to_ndarray()
    light = _light(color.transfer)[codes]
    if HDR_TRANSFERS[color.transfer] == "HLG":
        # The system gamma of a display of 1000 nits works on luminance (BT.2100, table 5).
        light *= ((light @ _LUMINANCE) ** np.float32(0.2))[..., None]
        light *= np.float32(PEAK_NITS / WHITE_NITS)
    light = np.maximum(light @ _BT2020_TO_BT709.T, 0)
    # All three channels by one factor, so that the hue stays.
    brightest = light.max(-1)
    index = np.minimum(np.sqrt(brightest * (WHITE_NITS / PEAK_NITS)) * (_STEPS - 1), _STEPS - 1)
    light *= _gains()[index.astype(np.int32)][..., None]
    display = np.power(np.minimum(light, 1), np.float32(1 / 2.4))  # the inverse of BT.1886
    return av.VideoFrame.from_ndarray((display * 255 + 0.5).astype(np.uint8), "rgb24")


@cache
def _light(transfer: int) -> Floats:
    """(65536,) linear light for 16-bit codes: of white for PQ, of the scene's peak for HLG."""
    code = np.arange(65536) / 65535
    if HDR_TRANSFERS[transfer] == "PQ":
        return (_pq_to_nits(code) / WHITE_NITS).astype(np.float32)
    # ITU-R BT.2100, table 5: the inverse of the HLG OETF.
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return scene.astype(np.float32)


@cache
def _gains() -> Floats:
    """(_STEPS,) what a brightness is multiplied by, over the square root of its share of the peak.

    The EETF of ITU-R BT.2390, section 5.4.1: straight below a knee, a Hermite spline above it.
    """
    light = np.linspace(0, 1, _STEPS) ** 2 * PEAK_NITS
    peak = _nits_to_pq(np.array(PEAK_NITS))
    signal, top = _nits_to_pq(light) / peak, float(_nits_to_pq(np.array(WHITE_NITS)) / peak)
    knee = 1.5 * top - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    spline += (-2 * t**3 + 3 * t**2) * top
    mapped = _pq_to_nits(np.where(signal < knee, signal, spline) * peak)
    return (np.maximum(mapped, 1e-6) / np.maximum(light, 1e-6)).astype(np.float32)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128  # SMPTE ST 2084, section 5
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _pq_to_nits(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    power = np.maximum(code, 0) ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _nits_to_pq(nits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    power = (nits / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
