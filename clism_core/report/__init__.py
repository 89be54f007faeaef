"""Report of a tracked run and of the runs that its model and data come from, as one self-contained page."""
