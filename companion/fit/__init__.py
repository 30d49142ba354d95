"""How a batch comes about, how a step becomes a graph, and what Keras does not export."""
