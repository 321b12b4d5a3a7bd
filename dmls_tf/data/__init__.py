"""Records on disk to batches of images and labels (TensorFlow)."""
