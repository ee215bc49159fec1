"""The formulas that scanners and fixers share: one function a formula, with its reference, shapes and units."""
