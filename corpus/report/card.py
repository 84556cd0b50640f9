def render_card(report, *, num_files: int) -> str:
    return "---\n"
