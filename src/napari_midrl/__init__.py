"""Landmark localization in multiparametric MRI with reinforcement learning."""

__version__ = "0.1.0"
