"""Scores of a trained model over a split (TensorFlow)."""
