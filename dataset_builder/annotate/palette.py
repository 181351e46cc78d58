"""The 40 colour names of the authors' verbalisations, and the name nearest to a colour in CIELAB.

The names are those that occur in the 220 LAMBDA prompts the authors published; the values behind
them are not published. Ours: the CSS or everyday value where it is clear, moved toward what occurs
in photographs where the pure value hardly does (Blue, Red, Green, Orange), and kept apart from
neighbours (Maroon from Dark_Red, Off_White from White, Dark_Gray darker than Gray, unlike CSS).
"""

from __future__ import annotations

import numpy as np

PALETTE: dict[str, tuple[int, int, int]] = {
    "Beige": (222, 205, 175),
    "Black": (10, 10, 10),
    "Blue": (20, 70, 200),
    "Bright_Green": (70, 225, 40),
    "Brown": (125, 75, 35),
    "Cream": (255, 250, 208),
    "Cyan": (0, 220, 235),
    "Dark_Blue": (20, 32, 88),
    "Dark_Brown": (60, 38, 22),
    "Dark_Gray": (66, 66, 66),
    "Dark_Green": (10, 62, 28),
    "Dark_Pink": (196, 66, 122),
    "Dark_Red": (145, 12, 18),
    "Emerald": (20, 160, 95),
    "Gold": (212, 175, 55),
    "Gray": (128, 128, 128),
    "Green": (30, 125, 40),
    "Khaki": (195, 176, 125),
    "Lavender": (214, 208, 240),
    "Light_Blue": (160, 205, 232),
    "Light_Green": (150, 225, 140),
    "Lilac": (196, 162, 205),
    "Magenta": (230, 20, 200),
    "Maroon": (92, 18, 38),
    "Mud_Green": (88, 92, 42),
    "Mustard": (200, 150, 20),
    "Off_White": (240, 238, 228),
    "Olive": (118, 116, 62),
    "Orange": (245, 130, 20),
    "Pink": (250, 185, 198),
    "Plum": (118, 50, 98),
    "Purple": (105, 30, 140),
    "Red": (215, 28, 36),
    "Royal_Blue": (62, 102, 220),
    "Silver": (188, 190, 192),
    "Tan": (205, 165, 120),
    "Turquoise": (60, 200, 185),
    "Violet": (140, 70, 225),
    "White": (255, 255, 255),
    "Yellow": (250, 230, 40),
}
NAMES = tuple(PALETTE)
# D65 white and the sRGB to XYZ matrix (IEC 61966-2-1)
WHITE = np.array([0.95047, 1.0, 1.08883])
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
EPSILON, KAPPA = 216 / 24389, 24389 / 27


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (L 0-100, a, b) of sRGB values 0-255; any leading shape, last axis 3."""
    share = np.asarray(rgb, np.float64) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T / WHITE
    f = np.where(xyz > EPSILON, np.cbrt(xyz), (KAPPA * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def nearest(lab: np.ndarray) -> np.ndarray:
    """Index into NAMES of the palette colour nearest to each CIELAB value (last axis 3)."""
    centres = to_lab(np.array(list(PALETTE.values())))  # (40, 3)
    difference = lab[..., None, :] - centres
    return np.argmin((difference**2).sum(axis=-1), axis=-1)
