"""The pictures: only these files know matplotlib."""
