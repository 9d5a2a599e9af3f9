"""What drive and digitiser share: the layout of a frame, and the shape of a pulse."""
