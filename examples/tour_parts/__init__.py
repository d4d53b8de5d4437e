"""The parts of `tour.py`."""
