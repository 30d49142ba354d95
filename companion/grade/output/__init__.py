"""What an instructor and a student get: pages, gradebooks, files for course systems."""
