"""What was handed in, by whom: folders, archives, downloads of course systems, the roster."""
