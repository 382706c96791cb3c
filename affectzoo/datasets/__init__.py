"""Readers: from a data set's files, as its authors ship them, to an index table."""
