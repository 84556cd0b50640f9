def render_page(report) -> str:
    return "<p>read"
