"""Converters from official data-set layouts to sharded TFRecords."""
