"""Scripts that make, calibrate, export and measure the models in ``models/``."""
