"""Grading of many submissions: intake, sandbox, judging, pages and gradebooks."""
