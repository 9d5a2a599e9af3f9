"""HTML reports of runs, with their pictures and templates."""
