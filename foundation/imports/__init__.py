"""A city's own export of its services becomes entries of the content: read, clean, compare, write, report."""
