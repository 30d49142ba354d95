"""From a run of a hand-written loop to the mistakes in it: recording and judging are apart."""
