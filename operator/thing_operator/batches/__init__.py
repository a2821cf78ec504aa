"""The kind ThingBatch: from source Secrets to one Secret, and on request one Thing, per folder."""
