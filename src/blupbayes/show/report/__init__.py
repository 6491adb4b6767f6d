"""The room of reports: one composition, three faces (HTML, notebook, Markdown)."""
