"""The pictures of the activities, drawn with Bokeh: a file for each lesson."""
