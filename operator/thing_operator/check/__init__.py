"""Things and ThingBatches in files, checked without a cluster by what the operator itself decides with."""
