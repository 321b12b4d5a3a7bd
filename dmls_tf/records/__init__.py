"""TFRecords: their schema, the conversion of data sets, reading and verification."""
