"""Records to shuffled, augmented batches (TensorFlow)."""
