"""What the tissues are and how they relax, diffuse and take up contrast agent.

One row per tissue: relaxation times in ms at 1.5 T and 3 T, proton density relative
to water, apparent diffusion coefficient in 1e-3 mm²/s, fat fraction, and where the
numbers come from. Between-paper spread is larger than within-paper spread, so
training jitters them widely.

Sources: dB04 de Bazelaire et al. 2004, Radiology 230:652. St05 Stanisz et al. 2005,
https://doi.org/10.1002/mrm.20605. Go04 Gold et al. 2004, AJR 183:343. Pai08 Pai et al.
2008, https://doi.org/10.1016/j.mri.2008.02.017. Ed10 Edden et al. 2010,
https://doi.org/10.1002/jmri.22306. RP06 Rakow-Penner et al. 2006, JMRI 23:87. Ryu14
Ryu et al. 2014, JKSMRM 18(1). Sim13 Simpkin et al. 2013,
https://doi.org/10.1259/bjr.20120469. Jaf16 Jafar et al. 2016,
https://doi.org/10.4329/wjr.v8.i1.21. Da14 Dabir et al. 2014,
https://doi.org/10.1186/s12968-014-0069-x. XC parameters of the open XCAT-to-MR codes.
eng: an engineering choice, no paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Tissue(IntEnum):
    """Labels of a tissue map."""

    AIR = 0
    SKIN = 1
    FAT = 2
    VISCERAL_FAT = 3
    MUSCLE = 4
    CORTICAL_BONE = 5
    YELLOW_MARROW = 6
    RED_MARROW = 7
    CARTILAGE = 8
    TENDON = 9
    SYNOVIAL_FLUID = 10
    LUNG = 11
    LIVER = 12
    SPLEEN = 13
    KIDNEY_CORTEX = 14
    KIDNEY_MEDULLA = 15
    PANCREAS = 16
    GALLBLADDER = 17
    MYOCARDIUM = 18
    ARTERIAL_BLOOD = 19
    VENOUS_BLOOD = 20
    URINE = 21
    PROSTATE_PZ = 22
    PROSTATE_TZ = 23
    SEMINAL_VESICLE = 24
    BREAST_GLAND = 25
    NIPPLE = 26
    TUMOR = 27
    DISC_NUCLEUS = 28
    DISC_ANNULUS = 29
    CSF = 30
    CORD = 31
    BOWEL_WALL = 32
    BOWEL_CONTENT = 33
    GAS = 34
    UTERUS = 35
    METAL = 36
    METAL_RIM = 37


@dataclass(frozen=True)
class Relaxation:
    """Mean MR properties of one tissue; times in ms as (1.5 T, 3 T)."""

    t1: tuple[float, float]
    t2: tuple[float, float]
    t2_star: tuple[float, float]
    proton_density: float
    adc: float
    fat_fraction: float
    source: str

    def at(self, field_tesla: float) -> tuple[float, float, float]:
        """Return T1, T2 and T2* in ms at the nearer field strength."""
        n = 0 if field_tesla < 2.25 else 1
        return self.t1[n], self.t2[n], self.t2_star[n]


@dataclass(frozen=True)
class Kinetics:
    """Uptake of contrast agent: Ktrans per minute, ve and vp as volume shares."""

    ktrans: float
    ve: float
    vp: float


_FAT_T1 = (290.0, 382.0)

RELAXATION: dict[Tissue, Relaxation] = {
    Tissue.AIR: Relaxation((1e3, 1e3), (1, 1), (1, 1), 0.0, 0.0, 0.0, "no protons"),
    Tissue.SKIN: Relaxation((800, 950), (35, 30), (15, 10), 0.65, 1.2, 0.10, "eng"),
    Tissue.FAT: Relaxation(
        _FAT_T1,
        (160, 133),
        (55, 36),
        0.90,
        0.05,
        0.92,
        "dB04 Go04 Ryu14",
    ),
    Tissue.VISCERAL_FAT: Relaxation(
        _FAT_T1, (160, 133), (45, 28), 0.88, 0.05, 0.88, "dB04"
    ),
    Tissue.MUSCLE: Relaxation(
        (1000, 1250),
        (40, 34),
        (30, 23),
        0.80,
        1.6,
        0.03,
        "dB04 Pai08",
    ),
    Tissue.CORTICAL_BONE: Relaxation(
        (200, 302), (0.5, 0.25), (0.45, 0.4), 0.12, 0, 0, "XC"
    ),
    Tissue.YELLOW_MARROW: Relaxation(
        (288, 365),
        (165, 133),
        (30, 18),
        0.85,
        0.2,
        0.85,
        "Go04",
    ),
    Tissue.RED_MARROW: Relaxation(
        (549, 586), (49, 49), (15, 9), 0.75, 0.45, 0.37, "dB04 XC"
    ),
    Tissue.CARTILAGE: Relaxation(
        (1060, 1240),
        (42, 36),
        (27, 22),
        0.75,
        1.3,
        0,
        "Go04 Pai08",
    ),
    Tissue.TENDON: Relaxation((600, 700), (6, 5), (3, 2), 0.50, 0.8, 0.02, "eng"),
    Tissue.SYNOVIAL_FLUID: Relaxation(
        (2850, 3620),
        (1210, 767),
        (300, 150),
        0.98,
        2.7,
        0,
        "Go04",
    ),
    Tissue.LUNG: Relaxation((1200, 1350), (40, 30), (1.6, 0.75), 0.20, 1.0, 0, "eng"),
    Tissue.LIVER: Relaxation(
        (586, 809), (46, 34), (28, 20), 0.90, 1.28, 0.04, "dB04 Jaf16"
    ),
    Tissue.SPLEEN: Relaxation(
        (1057, 1328), (79, 61), (50, 30), 0.82, 0.85, 0, "dB04 Jaf16"
    ),
    Tissue.KIDNEY_CORTEX: Relaxation(
        (966, 1142),
        (87, 76),
        (60, 45),
        0.85,
        1.94,
        0.007,
        "dB04 Jaf16",
    ),
    Tissue.KIDNEY_MEDULLA: Relaxation(
        (1412, 1545),
        (85, 81),
        (50, 35),
        0.88,
        1.85,
        0,
        "dB04",
    ),
    Tissue.PANCREAS: Relaxation(
        (584, 725),
        (46, 43),
        (35, 25),
        0.80,
        1.6,
        0.05,
        "dB04 Jaf16",
    ),
    Tissue.GALLBLADDER: Relaxation(
        (2200, 2600),
        (400, 300),
        (200, 120),
        0.97,
        2.73,
        0,
        "Jaf16 eng",
    ),
    Tissue.MYOCARDIUM: Relaxation(
        (950, 1052), (56, 52), (36, 25), 0.80, 1.6, 0.01, "Da14"
    ),
    Tissue.ARTERIAL_BLOOD: Relaxation(
        (1441, 1664),
        (254, 147),
        (120, 50),
        0.95,
        3.0,
        0,
        "St05",
    ),
    Tissue.VENOUS_BLOOD: Relaxation(
        (1450, 1584), (181, 66), (60, 20), 0.95, 3.0, 0, "XC"
    ),
    Tissue.URINE: Relaxation((3000, 3500), (800, 500), (300, 150), 1.0, 2.9, 0, "eng"),
    Tissue.PROSTATE_PZ: Relaxation(
        (1400, 1700),
        (149, 140),
        (75, 55),
        0.88,
        1.68,
        0,
        "Sim13 Jaf16",
    ),
    Tissue.PROSTATE_TZ: Relaxation(
        (1317, 1550),
        (125, 95),
        (65, 45),
        0.85,
        1.48,
        0,
        "Sim13 dB04",
    ),
    Tissue.SEMINAL_VESICLE: Relaxation(
        (1900, 2200),
        (250, 200),
        (120, 80),
        0.92,
        1.9,
        0,
        "eng",
    ),
    Tissue.BREAST_GLAND: Relaxation(
        (1266, 1680),
        (57, 71),
        (35, 22),
        0.80,
        1.92,
        0.10,
        "Ed10 RP06",
    ),
    Tissue.NIPPLE: Relaxation((1050, 1300), (50, 45), (30, 20), 0.75, 1.3, 0.05, "eng"),
    Tissue.TUMOR: Relaxation((1150, 1400), (75, 68), (40, 28), 0.85, 1.01, 0.02, "eng"),
    Tissue.DISC_NUCLEUS: Relaxation(
        (1100, 1350), (110, 95), (60, 40), 0.85, 1.9, 0, "eng"
    ),
    Tissue.DISC_ANNULUS: Relaxation(
        (850, 1000), (55, 50), (30, 20), 0.65, 1.3, 0, "eng"
    ),
    Tissue.CSF: Relaxation(
        (4350, 4300), (2200, 1700), (600, 400), 1.0, 3.0, 0, "web table"
    ),
    Tissue.CORD: Relaxation((745, 993), (74, 78), (65, 48), 0.75, 0.95, 0, "St05 XC"),
    Tissue.BOWEL_WALL: Relaxation(
        (900, 1150), (60, 55), (35, 22), 0.80, 1.5, 0.02, "eng"
    ),
    Tissue.BOWEL_CONTENT: Relaxation(
        (900, 1000),
        (140, 130),
        (60, 40),
        0.80,
        2.0,
        0.03,
        "eng",
    ),
    Tissue.GAS: Relaxation((1e3, 1e3), (1, 1), (1, 1), 0.0, 0.0, 0.0, "no protons"),
    Tissue.UTERUS: Relaxation((1150, 1400), (85, 75), (45, 32), 0.85, 1.5, 0, "eng"),
    Tissue.METAL: Relaxation((1e3, 1e3), (1, 1), (1, 1), 0.0, 0.0, 0.0, "no protons"),
    # Signal piles up beside metal in a spin echo and dephases in a gradient echo.
    Tissue.METAL_RIM: Relaxation(
        (500, 600), (90, 80), (0.8, 0.4), 1.2, 1.0, 0.40, "eng"
    ),
}
"""Mean properties of every tissue."""

_NO_UPTAKE = Kinetics(0, 0.1, 0)

KINETICS: dict[Tissue, Kinetics] = dict.fromkeys(Tissue, _NO_UPTAKE) | {
    Tissue.SKIN: Kinetics(0.12, 0.30, 0.03),
    Tissue.FAT: Kinetics(0.01, 0.08, 0.005),
    Tissue.VISCERAL_FAT: Kinetics(0.01, 0.08, 0.005),
    Tissue.MUSCLE: Kinetics(0.05, 0.12, 0.01),
    Tissue.RED_MARROW: Kinetics(0.10, 0.20, 0.03),
    Tissue.LIVER: Kinetics(0.80, 0.25, 0.05),
    Tissue.SPLEEN: Kinetics(0.60, 0.30, 0.15),
    Tissue.KIDNEY_CORTEX: Kinetics(0.70, 0.35, 0.25),
    Tissue.KIDNEY_MEDULLA: Kinetics(0.40, 0.40, 0.10),
    Tissue.MYOCARDIUM: Kinetics(0.60, 0.25, 0.08),
    Tissue.ARTERIAL_BLOOD: Kinetics(0, 0.1, 0.58),
    Tissue.VENOUS_BLOOD: Kinetics(0, 0.1, 0.58),
    Tissue.PROSTATE_PZ: Kinetics(0.15, 0.25, 0.010),
    Tissue.PROSTATE_TZ: Kinetics(0.22, 0.30, 0.015),
    Tissue.BREAST_GLAND: Kinetics(0.03, 0.30, 0.005),
    Tissue.NIPPLE: Kinetics(0.15, 0.30, 0.03),
    Tissue.TUMOR: Kinetics(0.25, 0.40, 0.03),
    Tissue.BOWEL_WALL: Kinetics(0.20, 0.30, 0.03),
    Tissue.UTERUS: Kinetics(0.20, 0.30, 0.04),
}
"""Mean uptake; blood carries the arterial curve as pure plasma volume."""

N_TISSUES = len(Tissue)

TEXTURE_SHARE: dict[Tissue, tuple[float, float]] = dict.fromkeys(
    Tissue, (0.05, 0.06)
) | {
    Tissue.FAT: (0.02, 0.03),
    Tissue.VISCERAL_FAT: (0.03, 0.05),
    Tissue.MUSCLE: (0.07, 0.06),
    Tissue.RED_MARROW: (0.06, 0.08),
    Tissue.YELLOW_MARROW: (0.03, 0.05),
    Tissue.LUNG: (0.25, 0.15),
    Tissue.URINE: (0.0, 0.02),
    Tissue.GALLBLADDER: (0.0, 0.03),
    Tissue.CSF: (0.04, 0.02),
    Tissue.BREAST_GLAND: (0.10, 0.10),
    Tissue.PROSTATE_TZ: (0.12, 0.16),
    Tissue.PROSTATE_PZ: (0.05, 0.08),
    Tissue.BOWEL_CONTENT: (0.08, 0.28),
    Tissue.TUMOR: (0.06, 0.10),
    Tissue.METAL_RIM: (0.15, 0.35),
}
"""Standard deviation of the fine and the coarse texture, share of the signal (eng)."""
