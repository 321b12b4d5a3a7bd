"""From a trained network to a directory that TF Serving serves."""
