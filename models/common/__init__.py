"""What every room uses: checks of ranges, files written whole, fixed-point numbers."""
