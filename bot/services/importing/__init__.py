"""Imports of children and guardians: read, checked row by row, applied in chunks, undone.

`batches` is what pages and the command line call; `work` does the jobs. A file is never kept: its
rows are, encrypted, until the batch is forgotten.
"""
