"""The paper's experiments: their runs, tables and figures, and what the paper reports."""
