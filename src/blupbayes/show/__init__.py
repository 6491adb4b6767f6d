"""What people see: tables as text, Markdown, HTML and LaTeX. Rounding happens here and nowhere below."""
