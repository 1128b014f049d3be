"""The loaders that are measured, a module each.

Every module has ``LABEL`` (what the table calls it), ``OWN_TABLE`` (whether it insists on making the table itself),
``prepare()`` (fetches what it needs) and ``run(lines, server)`` (one load of all rows, measured). What has to run in an
environment of its own is a script in ``programs/``.
"""
