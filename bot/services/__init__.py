"""Use-cases of the service, without HTTP and without wording.

Each is an async function that takes an open database session first: whoever calls it opens the
transaction and commits once, at the edge.
"""
