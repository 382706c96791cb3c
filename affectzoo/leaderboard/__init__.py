"""Show records: tables, plots, pages and comparisons."""
