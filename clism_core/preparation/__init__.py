"""From parallel corpora to span-masked samples."""
