"""From parallel text to span-masked samples, and from samples to batches."""
