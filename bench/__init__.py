"""Measures a real gateway: `make bench`, or `python -m bench [--quick] [--check] [SECTION ...]`."""
