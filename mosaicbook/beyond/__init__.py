"""Pages that go beyond the paper."""
