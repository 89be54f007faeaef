"""Many trainings together: sweeps and studies."""
