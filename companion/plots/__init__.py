"""The pictures: only these files, and those of live/, know matplotlib."""
