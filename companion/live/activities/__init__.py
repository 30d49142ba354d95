"""What the activities compute: plain Python, a file for each lesson. Nothing here knows a browser."""
