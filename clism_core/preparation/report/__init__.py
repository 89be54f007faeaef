"""Report on prepared data, as a page (`report.html`) and as text for the terminal."""
