"""What is in a prepared data set, as a page (`report.html`) and as text for the terminal."""
