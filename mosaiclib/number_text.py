"""Numbers as pages and messages show them."""

MINUS = "\N{MINUS SIGN}"


def signed(value, spec) -> str:
    """A number by a format spec with a true minus sign; what rounds to zero has no sign: neither -0.0 nor +0.0."""
    text = format(value, spec)
    return (text if text.strip("+-0.,") else text.lstrip("+-")).replace("-", MINUS)
