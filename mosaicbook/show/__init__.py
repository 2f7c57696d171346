"""What a notebook calls to show numbers, images and networks."""
