"""Lesson 4's dial, live: drag the learning rate while a network trains."""
