"""The grader's own processes: who starts them and how they talk."""
