"""The paper's experiments: runs, tables, figures, and the numbers that the paper reports."""
